// Makes the page work offline. The page's files form one set: they are served from one cache, and replaced
// together, so that a page that loads gets one version of them. One that is open keeps the workers' program and the
// weights itself, so that it never meets those of another version.

const CACHE = 'rbc-files';
const FILES = [
  './', 'app.js', 'app_bg.wasm', 'worker.js', 'worker_bg.wasm', 'rbc.safetensors', 'rbc.json',
  'assets/base.css', 'assets/layout.css', 'assets/parts.css', 'assets/boot.js', 'assets/icon.svg', 'assets/app.webmanifest',
  'assets/samples/index.json',
  ...['malaria', 'overlaps', 'white-cells'].flatMap((name) => ['webp', 'mask.webp'].map((end) => `assets/samples/synthetic-${name}.${end}`)),
];

/** Fetches the whole set past the browser's own cache; nothing is kept unless all of it came. */
async function fetchSet() {
  return Promise.all(FILES.map(async (file) => {
    const response = await fetch(file, { cache: 'no-cache' });
    if (!response.ok) throw new Error(`${file}: ${response.status}`);
    return [file, response];
  }));
}

async function put(set, name) {
  const cache = await caches.open(name);
  await Promise.all(set.map(([file, response]) => cache.put(file, response)));
}

/** Replaces the set. It is kept aside first: if the disk has no room for all of it, the set in use stays as it is. */
async function store(set) {
  const aside = `${CACHE}-new`;
  try {
    await put(set.map(([file, response]) => [file, response.clone()]), aside);
  } finally {
    await caches.delete(aside); // Which leaves its room to the set itself.
  }
  await put(set, CACHE);
}

async function digest(response) {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', await response.arrayBuffer()));
  return bytes.join();
}

/** Looks for a newer set; when a single file differs, all are replaced and the open pages told. */
async function update() {
  const cache = await caches.open(CACHE);
  const set = await fetchSet();
  for (const [file, response] of set) {
    const old = await cache.match(file);
    if (old && await digest(old) === await digest(response.clone())) continue;
    await store(set);
    // What was kept beside the set is of the former version.
    const own = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));
    await Promise.all((await cache.keys()).filter((kept) => !own.has(kept.url)).map((kept) => cache.delete(kept)));
    for (const client of await self.clients.matchAll()) client.postMessage('updated');
    return;
  }
}

/** When a page last asked for a file. */
let asked = 0;

/** Waits until no page is in the middle of loading: it would get half of the old set and half of the new. */
async function quiet() {
  do await new Promise((done) => setTimeout(done, 1000)); while (Date.now() - asked < 4000);
}

/** Replaces the set by a newer one, if there is one, when no page needs the line itself. */
function renew() {
  asked = Date.now();
  return quiet().then(update).catch(() => {});
}

/** Whether an earlier worker has stored the set. Pages may be loading from it, so that only `update` may replace it. */
let renews = false;

self.addEventListener('install', (event) => {
  renews = Boolean(self.registration.active);
  event.waitUntil((renews ? Promise.resolve() : fetchSet().then(store)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(self.clients.claim());
  // This worker's list of files may be another, of which the earlier one could not fetch all. No page waits for this.
  if (renews) renew();
});

async function answer(request) {
  asked = Date.now();
  const cache = await caches.open(CACHE);
  const visit = request.mode === 'navigate';
  // One page, whatever it is called by: a second copy would never be renewed with the set.
  const home = new URL('./', self.registration.scope).pathname;
  const { pathname } = new URL(request.url);
  const page = visit && (pathname === home || pathname === `${home}index.html`);
  const kept = await cache.match(page ? './' : request, { ignoreSearch: visit });
  if (kept) return kept;
  const response = await fetch(request);
  // Samples and the like: kept once seen.
  if (!visit && response.ok && response.type === 'basic') await cache.put(request, response.clone());
  return response;
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(answer(request));
  // A page that opens looks for news in the background.
  if (request.mode === 'navigate') event.waitUntil(renew());
});
