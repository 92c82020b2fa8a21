// A thermogram to the Java side, once: it stores the picture, has it analysed and answers with both. Nothing here knows
// Scanmill's address or key. A plain module: browsers, bundlers and Node 20 run it as it stands.

const TRIES = 3;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
const ANSWER_MS = 75_000; // of one request: above the 60 s in which the Java side gives up
const WHOLE_MS = 300_000; // of everything, looking again included

/** Why there is no analysis. `code` is Scanmill's or the Java side's, or NO_CONNECTION, TOO_SLOW, UNEXPECTED_ANSWER. */
export class UploadError extends Error {
  constructor(code, message, { status = 0, retryable = false, pauseMs = 0 } = {}) {
    super(message);
    Object.assign(this, { name: 'UploadError', code, status, retryable, pauseMs });
  }
}

/**
 * Resolves to { uploadResult, mlResult }; rejects with an UploadError, or with an AbortError once `signal` is aborted.
 * `onProgress` gets { phase: 'sending', share: 0..1 } and { phase: 'analysing' }. Give the same `key` again to go on
 * with an upload whose answer was lost; a new one, which is what you get without, for a new upload.
 */
export async function uploadImageWithML(file, transformerId, options = {}) {
  const { uploader = 'unknown', threshold, onProgress = () => {}, signal, base = '', key = newKey() } = options;
  const form = new FormData();
  form.append('imageType', 'THERMAL');
  form.append('uploader', uploader);
  if (threshold !== undefined) form.append('threshold', String(threshold));
  form.append('file', file, file.name ?? 'picture');
  const until = Date.now() + WHOLE_MS;
  const url = `${base}/api/transformers/${encodeURIComponent(transformerId)}/images`;
  let answer = await insistently(
    { method: 'POST', url, form, headers: { 'Idempotency-Key': key }, onProgress, signal },
    until,
  );
  const { uploadResult, mlResult } = answer.body;
  if (answer.status !== 202) return { uploadResult, mlResult };
  const where = new URL(answer.location, answer.url).href;
  for (let pause = 1_000; answer.status === 202; pause = Math.min(pause * 1.5, 5_000)) {
    if (Date.now() + pause > until) throw new UploadError('TOO_SLOW', 'The analysis takes too long; look again later.');
    await sleep(pause, signal);
    answer = await insistently({ method: 'GET', url: where, headers: {}, onProgress, signal }, until);
  }
  return { uploadResult, mlResult: answer.body };
}

/** crypto.randomUUID would want https. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Sends until it is answered, or refused in a way that a repetition does not change. */
async function insistently(request, until) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(request);
    } catch (error) {
      const pause = Math.min(Math.max(FIRST_PAUSE_MS * 2 ** (attempt - 1), error.pauseMs ?? 0), LONGEST_PAUSE_MS);
      if (!error.retryable || attempt === TRIES || Date.now() + pause > until) throw error;
      await sleep(pause, request.signal);
    }
  }
}

async function once(request) {
  const send = typeof XMLHttpRequest === 'undefined' ? byFetch : byXhr;
  const { status, url, header, text } = await send(request);
  if (status === 0)
    throw new UploadError('NO_CONNECTION', 'There is no connection to the server.', { retryable: true });
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // a proxy's page, not our server's words
  }
  if (status >= 200 && status < 300 && body) return { status, url, location: header('Location'), body };
  const code = body?.code ?? 'UNEXPECTED_ANSWER';
  const retryable = body?.retryable ?? [429, 502, 503, 504].includes(status);
  const pauseMs = 1_000 * (Number(header('Retry-After')) || 0);
  throw new UploadError(code, body?.message ?? `The server answered ${status}.`, { status, retryable, pauseMs });
}

/** fetch tells nothing of an upload's progress, so browsers take this one. */
function byXhr({ method, url, form, headers, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    xhr.timeout = ANSWER_MS;
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (form) {
      xhr.upload.onprogress = ({ loaded, total }) =>
        onProgress({ phase: 'sending', share: total ? loaded / total : 0 });
      xhr.upload.onload = () => onProgress({ phase: 'analysing' });
    }
    const abort = () => xhr.abort();
    signal?.addEventListener('abort', abort);
    xhr.onabort = () => reject(signal.reason);
    xhr.onloadend = () => {
      signal?.removeEventListener('abort', abort);
      resolve({
        status: xhr.status,
        url: xhr.responseURL,
        header: (name) => xhr.getResponseHeader(name),
        text: xhr.responseText,
      });
    };
    xhr.send(form);
  });
}

async function byFetch({ method, url, form, headers, onProgress, signal }) {
  const limit = AbortSignal.timeout(ANSWER_MS);
  if (form) onProgress({ phase: 'sending', share: 0 });
  try {
    const response = await fetch(url, {
      method,
      body: form,
      headers,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (form) onProgress({ phase: 'analysing' });
    const text = await response.text();
    return { status: response.status, url: response.url, header: (name) => response.headers.get(name), text };
  } catch {
    signal?.throwIfAborted();
    return { status: 0, url, header: () => null, text: '' };
  }
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
