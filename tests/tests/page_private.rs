//! Nothing leaves the machine: every request of a whole session is checked, and the content security policy is tested.

use anyhow::{Context, Result, ensure};
use rbc_tests::page::Page;
use rbc_tests::pictures::{png, smear};
use rbc_tests::recorder::{Recorder, Request};
use rbc_tests::scratch::Scratch;
use serde_json::json;
use std::collections::BTreeSet;
use xtask::paths;

/// The browser looks for updates and the time, whatever flags it gets. These requests go to its maker's hosts and never
/// come from a page, whose requests to other hosts the policy refuses (see the test below).
fn housekeeping(request: &Request) -> bool {
    let target = request.target.strip_prefix("http://").unwrap_or(&request.target);
    let host = target.split([':', '/']).next().unwrap_or_default();
    [".googleapis.com", ".google.com", ".gvt1.com"].iter().any(|maker| host.ends_with(maker))
}

#[test]
fn every_request_of_a_sitting_is_for_a_file_of_the_page() -> Result<()> {
    let scratch = Scratch::new("private")?;
    let recorder = Recorder::start(&paths::site())?;
    // The browser's only way out: requests to any host, including this machine, pass through the recorder.
    let proxy = format!("--proxy-server=http://{}", recorder.address());
    let page = Page::blank(&paths::site(), true, &[&proxy, "--proxy-bypass-list=<-loopback>"])?;
    page.visit(&format!("{}?backend=cpu", recorder.url()))?;
    let violations = "window.refused = [];
        document.addEventListener('securitypolicyviolation', (e) => window.refused.push(e.blockedURI + ' ' + e.effectiveDirective))";
    page.js(violations, json!([]))?;

    // A whole session: an image, another threshold, every file saved, other weights.
    let image = scratch.write("patient-4711.png", png(&smear()?)?)?;
    page.segment(&[image])?;
    page.set("#threshold", "0.4")?;
    page.wait_until_ready()?;
    for (button, ending) in [
        ("export-mask", "mask.png"),
        ("export-labels", "labels.png"),
        ("export-overlay", "overlay.png"),
        ("export-csv", "cells.csv"),
        ("export-geojson", "geojson"),
        ("export-roi", "rois.zip"),
        ("export-images", "summary.csv"),
        ("export-zip", ".zip"),
    ] {
        page.save(button, ending)?;
    }
    page.pick("weights-input", &[paths::root().join("model-weights/rbc.safetensors")])?;
    let named = "return document.getElementById('model-facts').textContent.includes('rbc.safetensors')";
    page.until("the weights are taken", named, json!([]))?;
    page.wait_until_ready()?;
    assert_eq!(page.js("return window.refused", json!([]))?, json!([]), "the page itself breaks its policy");

    let files: BTreeSet<String> = xtask::size::list(&paths::site())?
        .iter()
        .map(|file| file.to_string_lossy().replace('\\', "/"))
        .collect();
    let origin = recorder.url();
    let seen = recorder.seen();
    ensure!(seen.len() > 8, "the browser went another way: {seen:?}");
    for request in seen.iter().filter(|request| !housekeeping(request)) {
        let path =
            request.target.strip_prefix(&origin).with_context(|| format!("to another host: {request:?}"))?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        ensure!(path.is_empty() || files.contains(path), "no file of the page: {request:?}");
        ensure!(query.is_empty() || query == "backend=cpu", "a query may carry data: {request:?}");
        ensure!(request.method == "GET" && !request.body && !request.cookie, "{request:?}");
    }
    Ok(())
}

#[test]
fn the_policy_stops_page_and_workers_from_reaching_other_hosts() -> Result<()> {
    let recorder = Recorder::start(&paths::site())?;
    let proxy = format!("--proxy-server=http://{}", recorder.address());
    let page = Page::blank(&paths::site(), true, &[&proxy, "--proxy-bypass-list=<-loopback>"])?;
    page.visit(&format!("{}?backend=cpu", recorder.url()))?;
    let before = recorder.seen().len();
    // All the ways in which a page could reach other hosts; each must be refused before anything is sent.
    let escape = r#"
        const done = arguments[0], there = 'http://elsewhere.test/x', out = {};
        const tried = (name, promise) => promise.then(() => out[name] = 'went out', () => out[name] = 'refused');
        const image = new Promise((yes, no) => { const i = new Image(); i.onload = yes; i.onerror = no; i.src = there; });
        const script = new Promise((yes, no) => { const s = document.createElement('script'); s.onload = yes; s.onerror = no; s.src = there; document.head.append(s); });
        const socket = new Promise((yes, no) => { const w = new WebSocket('ws://elsewhere.test/'); w.onopen = yes; w.onerror = no; });
        const text = `fetch('${there}', { method: 'POST', body: 'x' }).then(() => postMessage('went out'), () => postMessage('refused'))`;
        const worker = new Promise((yes, no) => {
            const w = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
            w.onmessage = (e) => e.data === 'refused' ? no() : yes(); });
        navigator.sendBeacon(there, 'x');
        const form = document.createElement('form'); form.action = there; form.method = 'post'; document.body.append(form); form.submit();
        Promise.all([tried('fetch', fetch(there, { method: 'POST', body: 'x' })), tried('image', image), tried('script', script),
            tried('socket', socket), tried('worker', worker)]).then(() => done(out));
    "#;
    let out = page.session().script_async(escape, json!([]))?;
    let refused = json!({ "fetch": "refused", "image": "refused", "script": "refused", "socket": "refused", "worker": "refused" });
    assert_eq!(out, refused);
    let gone: Vec<_> = recorder
        .seen()
        .split_off(before)
        .into_iter()
        .filter(|request| request.target.contains("elsewhere"))
        .collect();
    ensure!(gone.is_empty(), "the policy let this out: {gone:?}");
    Ok(())
}
