//! The second visit works without a network, and an update is taken as a whole.

use anyhow::{Context, Result, ensure};
use rbc_tests::page::Page;
use rbc_tests::pictures::{png, smear};
use rbc_tests::recorder::Recorder;
use rbc_tests::scratch::Scratch;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use xtask::paths;

fn until_kept(page: &Page) -> Result<()> {
    let body = "const done = arguments[0];
        navigator.serviceWorker.ready.then(async () => {
            while (!navigator.serviceWorker.controller) await new Promise((r) => navigator.serviceWorker.addEventListener('controllerchange', r, { once: true }));
            done(true); })";
    page.session().script_async(body, json!([])).map(drop)
}

#[test]
fn the_second_visit_works_without_a_network() -> Result<()> {
    let scratch = Scratch::new("offline")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let recorder = Recorder::start(&paths::site())?;
    let page = Page::blank(&paths::site(), true, &[])?;
    page.visit(&format!("{}?backend=cpu", recorder.url()))?;
    until_kept(&page)?;
    page.segment(std::slice::from_ref(&image))?;
    let online = page.result_text("smear.png")?;

    recorder.stop();
    page.visit(&format!("{}?backend=cpu", recorder.url()))?;
    page.segment(&[image])?;
    assert_eq!(page.result_text("smear.png")?, online);
    // Without the query, as in a bookmark.
    page.visit(&recorder.url())?;
    ensure!(page.shown("h1")?.contains("Red blood cells"), "another page came");
    // By its file name: this is the same cached page, so that it is updated with the rest.
    page.visit(&format!("{}index.html?backend=cpu", recorder.url()))?;
    page.wait_until_ready()?;

    // The page can be installed: its manifest has a name, a start URL and an icon.
    let body = "const done = arguments[0]; fetch(document.querySelector('link[rel=manifest]').href).then((r) => r.json()).then(done, (e) => done(String(e)))";
    let manifest = page.session().script_async(body, json!([]))?;
    for key in ["name", "start_url", "display", "icons"] {
        ensure!(!manifest[key].is_null(), "the manifest has no {key}: {manifest}");
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in xtask::size::list(from)? {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        fs::copy(from.join(&file), target)?;
    }
    Ok(())
}

fn title(page: &Page) -> Result<String> {
    Ok(page.js("return document.title", json!([]))?.to_string())
}

/// A page, kept for offline use, of files that can be changed, with this code before that of its service worker. Returns
/// its server and address too.
fn kept(scratch: &Scratch, code: &str) -> Result<(Recorder, Page, String)> {
    copy(&paths::site(), scratch.path())?;
    let worker = scratch.path().join("sw.js");
    fs::write(&worker, format!("{code}{}", fs::read_to_string(&worker)?))?;
    let recorder = Recorder::start(scratch.path())?;
    let page = Page::blank(&paths::site(), true, &[])?;
    let url = format!("{}?backend=cpu", recorder.url());
    page.visit(&url)?;
    until_kept(&page)?;
    Ok((recorder, page, url))
}

#[test]
fn an_update_of_the_service_worker_is_announced_and_taken_as_a_whole() -> Result<()> {
    let scratch = Scratch::new("update-worker")?;
    let (_server, page, url) = kept(&scratch, "")?;

    let change = |file: &str, old: &str, new: &str| -> Result<()> {
        let file = scratch.path().join(file);
        let text = fs::read_to_string(&file)?;
        ensure!(text.contains(old), "{} lacks {old}", file.display());
        Ok(fs::write(&file, text.replace(old, new))?)
    };
    change("index.html", "<title>", "<title>New: ")?;
    // A file is gone, so that the old worker cannot fetch its set any more.
    change("sw.js", "'malaria', ", "")?;
    for end in ["webp", "mask.webp"] {
        fs::remove_file(scratch.path().join(format!("assets/samples/synthetic-malaria.{end}")))?;
    }
    page.visit(&url)?;
    ensure!(!title(&page)?.contains("New: "), "half an update");
    until_new(&page)
}

/// Takes the new version, whose title begins with `New: `, when it is offered.
fn until_new(page: &Page) -> Result<()> {
    page.until_shown("#update", "new version")?;
    page.session().click("#reload")?;
    page.wait("the new version is shown", || Ok(title(page)?.contains("New: ").then_some(())))?;
    page.wait_until_ready()
}

#[test]
fn an_update_that_the_disk_has_no_room_for_changes_nothing() -> Result<()> {
    let scratch = Scratch::new("update-full")?;
    // There are a cache that says that the disk is full, and one that says that this was noticed. The last file of the set is
    // the one too many, after all others have been written.
    let full = "const plainPut = Cache.prototype.put, others = [];
        Cache.prototype.put = async function (file, response) {
            if (file === 'assets/samples/synthetic-white-cells.mask.webp' && await caches.has('full')) {
                await Promise.all(others);
                await caches.open('refused');
                throw new DOMException('disk full', 'QuotaExceededError');
            }
            const written = plainPut.call(this, file, response);
            others.push(written);
            return written;
        };\n";
    let (_server, page, url) = kept(&scratch, full)?;
    page.session().script_async("caches.open('full').then(() => arguments[0](true))", json!([]))?;
    let index = scratch.path().join("index.html");
    fs::write(&index, fs::read_to_string(&index)?.replace("<title>", "<title>New: "))?;
    page.visit(&url)?;
    let refused = "caches.has('refused').then(arguments[0])";
    page.wait("the update is refused", || {
        Ok((page.session().script_async(refused, json!([]))? == true).then_some(()))
    })?;
    page.visit(&url)?;
    ensure!(!title(&page)?.contains("New: "), "half an update");
    ensure!(page.shown("#update")?.is_empty(), "an update that was not taken is offered");

    page.session().script_async("caches.delete('full').then(arguments[0])", json!([]))?;
    page.visit(&url)?;
    until_new(&page)
}

#[test]
fn an_update_is_announced_and_taken_as_a_whole() -> Result<()> {
    let scratch = Scratch::new("update")?;
    let (_server, page, url) = kept(&scratch, "")?;
    page.visit(&url)?;
    ensure!(page.shown("#update")?.is_empty(), "nothing is new");

    let index = scratch.path().join("index.html");
    let html = fs::read_to_string(&index)?.replace("<title>", "<title>New: ");
    fs::write(&index, html)?;
    // Workers of the new version announce themselves.
    let program = scratch.path().join("worker.js");
    let script = fs::read_to_string(&program)?;
    fs::write(&program, format!("new BroadcastChannel('version').postMessage('new');\n{script}"))?;
    // This visit still shows the old version as a whole; the new one is offered once it is loaded.
    page.visit(&url)?;
    ensure!(!title(&page)?.contains("New: "), "half an update");
    let listen = "window.version = 'old';
        new BroadcastChannel('version').onmessage = ({ data }) => { window.version = data; }";
    page.js(listen, json!([]))?;
    let version = |page: &Page| -> Result<Value> { page.js("return window.version", json!([])) };
    page.until_shown("#update", "new version")?;
    // The old page starts further workers of its own version: the helpers for the first image, and the one for the zip.
    page.segment(&[scratch.write("smear.png", png(&smear()?)?)?])?;
    page.save("export-zip", ".zip")?;
    page.wait_until_ready()?;
    assert_eq!(version(&page)?, "old");
    page.set("#backend", "cpu")?;
    page.wait_until_ready()?;
    assert_eq!(version(&page)?, "old", "a worker was started anew");
    until_new(&page)?;
    page.js(listen, json!([]))?;
    page.set("#backend", "cpu")?;
    page.until("a worker of the new version", "return window.version === 'new'", json!([]))?;
    page.wait_until_ready()
}
