package example.thermal;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Scanmill's calls for thermograms, by nothing but the JDK (17 or newer). One call, with all its tries, ends within
 * WHOLE. Pictures are streamed, and read again for each try. Safe for use by many threads.
 */
public final class ScanmillClient {
    static final Duration CONNECT = Duration.ofSeconds(5);
    /** Scanmill holds an answer this long at most: below SCANMILL_API_MAX_WAIT_S (30) and the limit of any proxy. */
    static final Duration WAIT = Duration.ofSeconds(20);
    /** The wait, and time for a slow upload and for tries. The browser's own limit lies above it. */
    static final Duration WHOLE = Duration.ofSeconds(60);
    static final int TRIES = 4;
    static final Duration FIRST_PAUSE = Duration.ofMillis(500);
    static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);

    /** A picture's bytes from their beginning, for one try. */
    public interface Content {
        InputStream open() throws IOException;
    }

    public record Picture(String name, long bytes, Content content) {
        public static Picture of(Path path) throws IOException {
            return new Picture(path.getFileName().toString(), Files.size(path), () -> Files.newInputStream(path));
        }
    }

    /** JSON of a finished analysis or, before it has ended, the JSON that says so. */
    public record Answer(boolean ended, String json) {}

    /** Scanmill said no, or (status 0) nothing at all. {@code problem} is its JSON, with code, detail and retryable. */
    public static final class Refused extends RuntimeException {
        public final int status;
        public final String problem;
        private final boolean again;
        private final Duration asked;

        private Refused(int status, String problem, boolean again, Duration asked, Throwable cause) {
            super("Scanmill: " + (status == 0 ? "no answer" : status + " " + problem), cause);
            this.status = status;
            this.problem = problem;
            this.again = again;
            this.asked = asked;
        }

        static Refused away(Throwable cause) {
            return new Refused(0, "{}", true, Duration.ZERO, cause);
        }

        /** A refusal with a Location is how a scan ended: asked again under its key, Scanmill says the same again. */
        static Refused of(HttpResponse<String> response) {
            int status = response.statusCode();
            boolean busy = status == 429 || status == 502 || status == 503 || status == 504;
            boolean again = busy && response.headers().firstValue("Location").isEmpty();
            String seconds = response.headers().firstValue("Retry-After")
                    .filter(t -> t.matches("\\d{1,4}")).orElse("0");
            return new Refused(status, response.body(), again, Duration.ofSeconds(Long.parseLong(seconds)), null);
        }

        /** Doubled with every try and shortened by chance, so that many callers do not come back together. */
        Duration pause(int attempt) {
            long most = FIRST_PAUSE.toMillis() << (attempt - 1);
            Duration ours = Duration.ofMillis(ThreadLocalRandom.current().nextLong(most / 2, most + 1));
            Duration longer = ours.compareTo(asked) < 0 ? asked : ours;
            return longer.compareTo(LONGEST_PAUSE) < 0 ? longer : LONGEST_PAUSE;
        }
    }

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(CONNECT).build();
    private final String url;
    private final String key;

    public ScanmillClient(String url, String key) {
        this.url = url.replaceAll("/+$", "");
        this.key = key;
    }

    /** Whether a worker with models is there. False also when Scanmill does not answer. */
    public boolean healthy() throws InterruptedException {
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/health")).timeout(CONNECT).build();
            HttpResponse<String> response = http.send(request, BodyHandlers.ofString());
            return response.statusCode() == 200 && response.body().replace(" ", "").contains("\"models_loaded\":true");
        } catch (IOException error) {
            return false;
        }
    }

    /**
     * Analyses a thermogram: its end or, after WAIT, the id to ask for it by. The same idempotencyKey with the same
     * picture is the same analysis, however often it is sent.
     */
    public Answer detect(Picture picture, Map<String, String> fields, String idempotencyKey)
            throws InterruptedException {
        String boundary = "scanmill-" + UUID.randomUUID();
        return answer(send(attempt -> request("/api/v1/detect-anomaly")
                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                .header("Idempotency-Key", idempotencyKey)
                // Waiting may be what Scanmill is too busy for.
                .header("Prefer", attempt == 1 ? "wait=" + WAIT.toSeconds() : "respond-async")
                .POST(form(boundary, picture, fields))));
    }

    /** The analysis again, or for the first time. {@code threshold} may be null. */
    public Answer result(String scanId, Double threshold) throws InterruptedException {
        String query = threshold == null ? "" : "?threshold=" + threshold;
        return answer(send(attempt -> request("/api/v1/detect-anomaly/" + encoded(scanId) + query)));
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(url + path)).header("Authorization", "Bearer " + key);
    }

    private interface Try {
        HttpRequest.Builder request(int attempt);
    }

    private HttpResponse<String> send(Try each) throws InterruptedException {
        long end = System.nanoTime() + WHOLE.toNanos();
        for (int attempt = 1; ; attempt++) {
            Refused refused;
            try {
                Duration left = Duration.ofNanos(Math.max(1, end - System.nanoTime()));
                HttpRequest request = each.request(attempt).timeout(left).build();
                HttpResponse<String> response = http.send(request, BodyHandlers.ofString());
                if (response.statusCode() < 300) {
                    return response;
                }
                refused = Refused.of(response);
            } catch (IOException error) {
                refused = Refused.away(error);
            }
            Duration pause = refused.pause(attempt);
            if (!refused.again || attempt == TRIES || System.nanoTime() + pause.toNanos() >= end) {
                throw refused;
            }
            Thread.sleep(pause.toMillis());
        }
    }

    private static Answer answer(HttpResponse<String> response) {
        return new Answer(response.statusCode() == 200, response.body());
    }

    /** The picture is no byte longer in memory than it takes to send it. */
    private static BodyPublisher form(String boundary, Picture picture, Map<String, String> fields) {
        StringBuilder head = new StringBuilder();
        fields.forEach((name, value) -> head.append("--").append(boundary)
                .append("\r\nContent-Disposition: form-data; name=\"").append(name).append("\"\r\n\r\n")
                .append(value).append("\r\n"));
        head.append("--").append(boundary).append("\r\nContent-Disposition: form-data; name=\"file\"; filename=\"")
                .append(quoted(picture.name())).append("\"\r\nContent-Type: application/octet-stream\r\n\r\n");
        byte[] before = head.toString().getBytes(StandardCharsets.UTF_8);
        byte[] after = ("\r\n--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8);
        BodyPublisher content = BodyPublishers.ofInputStream(() -> opened(picture));
        return BodyPublishers.fromPublisher(
                BodyPublishers.concat(BodyPublishers.ofByteArray(before), content, BodyPublishers.ofByteArray(after)),
                before.length + picture.bytes() + after.length);
    }

    private static InputStream opened(Picture picture) {
        try {
            return picture.content().open();
        } catch (IOException error) {
            throw new IllegalStateException("the picture cannot be read", error);
        }
    }

    /** A file's name is its owner's choice, and must not become a header of ours. */
    private static String quoted(String name) {
        return name.replace("\"", "%22").replace("\r", "%0D").replace("\n", "%0A");
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    /** {@code java ScanmillClient.java hot.png}, with SCANMILL_API_URL and SCANMILL_API_KEY in the environment. */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> set = System.getenv();
        ScanmillClient client = new ScanmillClient(set.get("SCANMILL_API_URL"), set.get("SCANMILL_API_KEY"));
        if (!client.healthy()) {
            System.err.println("no worker with models answers");
        }
        try {
            Picture picture = Picture.of(Path.of(arguments[0]));
            System.out.println(client.detect(picture, Map.of(), UUID.randomUUID().toString()).json());
        } catch (Refused refused) {
            System.err.println(refused.getMessage());
            System.exit(1);
        }
    }
}
