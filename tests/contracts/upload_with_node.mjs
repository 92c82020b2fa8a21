// Uploads pictures as a browser's page would, one after another, and prints a line of JSON for each.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { uploadImageWithML } from '../../docs/integrations/react/uploadImageWithML.mjs';

const [base, ...pictures] = process.argv.slice(2);
for (const picture of pictures) {
  const file = new File([await readFile(picture)], basename(picture));
  const phases = [];
  const signal = basename(picture) === 'cancelled.png' ? AbortSignal.abort() : undefined;
  const onProgress = ({ phase }) => phases.push(phase);
  try {
    const both = await uploadImageWithML(file, 7, { base, uploader: 'ann', onProgress, signal });
    console.log(JSON.stringify({ phases, ...both }));
  } catch ({ name, code, status, retryable }) {
    console.log(JSON.stringify({ phases, error: { name, code, status, retryable } }));
  }
}
