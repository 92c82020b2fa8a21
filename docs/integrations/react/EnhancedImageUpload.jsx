import { useEffect, useId, useRef, useState } from 'react';
import { uploadImageWithML } from './uploadImageWithML.mjs';

const ACTIONS = {
  Normal: 'Nothing unusual.',
  Potential: 'Slightly unusual: keep an eye on it.',
  Overloway: 'Unusual: have it inspected.',
  Faulty: 'Very unusual: act now.',
};

/** What a person can do something about; for every other code the server's own sentence is shown. */
const SENTENCES = {
  FILE_TOO_LARGE: 'The picture is too large.',
  UNSUPPORTED_FORMAT: 'Please choose a JPEG, PNG, WebP or BMP picture.',
  TRUNCATED_IMAGE: 'The picture is damaged: it ends too early. Please take it from the camera again.',
  NO_CONNECTION: 'There is no connection to the server.',
  MODEL_UNAVAILABLE: 'The analysis is not available right now.',
};

/**
 * Chooses and sends a transformer's thermogram, and shows what was found. `onUploadComplete` gets
 * { uploadResult, mlResult }. Everything is in the document for readers of screens; colours alone say nothing.
 */
export function EnhancedImageUpload({ transformerId, uploader, onUploadComplete, onError }) {
  const id = useId();
  const [file, setFile] = useState(null);
  const [progress, setProgress] = useState(null);
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const upload = useRef(null);
  useEffect(() => () => upload.current?.abort(), [transformerId]);

  async function submit(event) {
    event.preventDefault();
    const mine = new AbortController();
    upload.current = mine;
    setFound(null);
    setError(null);
    setProgress({ phase: 'sending', share: 0 });
    try {
      const both = await uploadImageWithML(file, transformerId, {
        uploader,
        onProgress: setProgress,
        signal: mine.signal,
      });
      setFound(both.mlResult);
      onUploadComplete?.(both);
    } catch (failure) {
      if (mine.signal.aborted) return;
      setError(failure);
      onError?.(failure);
    } finally {
      setProgress(null);
    }
  }

  return (
    <form onSubmit={submit} aria-busy={progress !== null}>
      <label htmlFor={`${id}-file`}>Thermogram</label>
      <input
        id={`${id}-file`}
        type="file"
        accept="image/jpeg,image/png,image/webp,image/bmp"
        disabled={progress !== null}
        onChange={(event) => setFile(event.target.files[0] ?? null)}
      />
      <button type="submit" disabled={!file || progress !== null}>
        Upload and analyse
      </button>
      {progress && (
        <button type="button" onClick={() => upload.current.abort()}>
          Cancel
        </button>
      )}
      <p role="status">{progress && (progress.phase === 'sending' ? 'Sending the picture …' : 'Analysing …')}</p>
      {progress && (
        <progress aria-label="Upload" max={1} value={progress.phase === 'sending' ? progress.share : undefined} />
      )}
      {error && (
        <p role="alert">
          {SENTENCES[error.code] ?? error.message} ({error.code})
        </p>
      )}
      {found && <Found result={found} />}
    </form>
  );
}

function Found({ result }) {
  const boxes = result.bounding_boxes.length;
  return (
    <section aria-label="Analysis">
      <p role="status">
        <strong>{result.classification}</strong> (score {result.anomaly_score.toFixed(2)}).{' '}
        {ACTIONS[result.classification]}
      </p>
      {result.warnings.map((warning) => (
        <p key={warning.code}>Note: {warning.code}</p>
      ))}
      {result.visualizations?.bounded_url && (
        <img
          src={result.visualizations.bounded_url}
          alt={`The thermogram with ${boxes} marked ${boxes === 1 ? 'place' : 'places'}`}
        />
      )}
    </section>
  );
}
