#!/usr/bin/env bash
# `make integrations`: what `make test` leaves out, because it needs npm's and Maven's packages. Writes below var/ only.
set -euo pipefail
cd "$(dirname "$0")"
out=../../var/integrations
rm -rf "$out"
mkdir -p "$out"
cp -r java react "$out"
cd "$out"

echo "== React: the component is built, and used in a document"
(cd react && npm install --no-package-lock --no-audit --no-fund --silent && npm test)

echo "== Java: the client, by the JDK alone"
javac -Xlint:all,-serial -Werror -d classes java/src/main/java/example/thermal/ScanmillClient.java

echo "== Java: the Spring Boot service"
if mvn --batch-mode --quiet --file java/pom.xml validate; then
    mvn --batch-mode --quiet --file java/pom.xml compile
else
    echo "NOT COMPILED: Maven cannot fetch Spring's packages from here" >&2
fi
