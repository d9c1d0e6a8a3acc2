// Starts the page's program. A file of its own, since the Content-Security-Policy refuses inline scripts.
// Imported here and not above, so that its not coming can be told.
import('../app.js').then((app) => app.default()).catch((problem) => {
  const old = typeof WebAssembly !== 'object' || problem instanceof SyntaxError || problem instanceof WebAssembly.CompileError || problem instanceof WebAssembly.LinkError;
  const line = document.getElementById('error');
  line.textContent = old
    ? `This browser could not start the page's program (${problem}). A current Chrome, Edge, Firefox or Safari can.`
    : `The page did not load to its end (${problem}). Check the connection and reload it.`;
  line.parentElement.hidden = false;
  document.getElementById('engine-text').textContent = 'Not running';
  document.body.dataset.state = 'error';
});

if ('serviceWorker' in navigator && isSecureContext) {
  navigator.serviceWorker.register(new URL('../sw.js', import.meta.url)).catch(() => {
    // The page works without it, only not offline.
  });
  navigator.serviceWorker.addEventListener('message', (event) => {
    if (event.data === 'updated') document.getElementById('update').hidden = false;
  });
  document.getElementById('reload').addEventListener('click', () => location.reload());
}
