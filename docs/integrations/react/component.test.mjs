// The component in a document, over XMLHttpRequest, against a server that keeps the Java side's contract.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import globalJsdom from 'global-jsdom';

const FOUND = {
  scan_id: 's1',
  status: 'succeeded',
  classification: 'Faulty',
  anomaly_score: 0.913,
  bounding_boxes: [{ x: 1, y: 2, width: 3, height: 4, confidence: 0.9, type: 'Critical' }],
  visualizations: { bounded_url: '/bounded.png' },
  warnings: [{ code: 'PICTURE_UNFAMILIAR' }],
};
const requests = [];
let answers = [];
let server, ui, react, component;

before(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      requests.push({ line: `${request.method} ${request.url}`, headers: request.headers });
      const [status, body, headers = {}] = answers.shift();
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  globalJsdom(undefined, { url: `http://127.0.0.1:${server.address().port}/` });
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  react = await import('react');
  ui = await import('@testing-library/react');
  component = (await import('./build/EnhancedImageUpload.mjs')).EnhancedImageUpload;
});

afterEach(() => ui.cleanup());
after(() => server.close());

async function uploaded(props = {}) {
  const { default: user } = await import('@testing-library/user-event');
  requests.length = 0;
  const page = ui.render(react.createElement(component, { transformerId: 'T 7', uploader: 'ann', ...props }));
  assert.ok(page.getByRole('button', { name: 'Upload and analyse' }).disabled);
  await user.upload(
    page.getByLabelText('Thermogram'),
    new File([new Uint8Array(5000)], 'hot.png', { type: 'image/png' }),
  );
  await user.click(page.getByRole('button', { name: 'Upload and analyse' }));
  return page;
}

test('one upload, looked after until its end, is shown with what there is to do', async () => {
  answers = [
    [
      202,
      { uploadResult: { id: 1 }, mlResult: { scan_id: 's1', status: 'running' } },
      { Location: '/api/ml/analyses/s1' },
    ],
    [202, { scan_id: 's1', status: 'running' }, { Location: '/api/ml/analyses/s1' }],
    [200, FOUND],
  ];
  const told = [];
  const page = await uploaded({ onUploadComplete: (both) => told.push(both) });
  assert.ok(page.getByRole('button', { name: 'Cancel' }));
  await page.findByText('Faulty', {}, { timeout: 10_000 });
  assert.match(page.getByRole('region', { name: 'Analysis' }).textContent, /score 0\.91.*act now.*PICTURE_UNFAMILIAR/);
  assert.equal(page.getByRole('img').getAttribute('alt'), 'The thermogram with 1 marked place');
  assert.deepEqual(told, [{ uploadResult: { id: 1 }, mlResult: FOUND }]);
  assert.deepEqual(
    requests.map((each) => each.line),
    ['POST /api/transformers/T%207/images', 'GET /api/ml/analyses/s1', 'GET /api/ml/analyses/s1'],
  );
  assert.match(requests[0].headers['idempotency-key'], /^[0-9a-f]{32}$/);
  assert.equal(requests[0].headers.authorization, undefined);
  assert.equal(page.queryByRole('progressbar'), null);
});

test('a refusal is an alert with its code, and another try is possible', async () => {
  answers = [[415, { code: 'UNSUPPORTED_FORMAT', message: 'The file is …', retryable: false }]];
  const failures = [];
  const page = await uploaded({ onError: (failure) => failures.push(failure.code) });
  assert.match((await page.findByRole('alert')).textContent, /JPEG, PNG.*UNSUPPORTED_FORMAT/);
  assert.ok(!page.getByRole('button', { name: 'Upload and analyse' }).disabled);
  assert.deepEqual(failures, ['UNSUPPORTED_FORMAT']);
});

test('a cancelled upload says nothing and shows nothing', async () => {
  answers = [[202, { mlResult: { scan_id: 's1' } }, { Location: '/api/ml/analyses/s1' }]];
  const page = await uploaded();
  const { default: user } = await import('@testing-library/user-event');
  await user.click(page.getByRole('button', { name: 'Cancel' }));
  await ui.waitFor(() => assert.equal(page.queryByRole('progressbar'), null));
  assert.equal(page.queryByRole('alert'), null);
  assert.equal(page.queryByRole('region'), null);
});
