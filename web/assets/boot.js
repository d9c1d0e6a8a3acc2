// Starts the page's program. A file of its own, since the Content-Security-Policy refuses inline scripts.
import init from '../app.js';

init().catch((problem) => {
  const line = document.getElementById('error');
  line.textContent = `This browser could not start the page's program (${problem}). A current Chrome, Edge, Firefox or Safari can.`;
  line.parentElement.hidden = false;
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
