//! Both back ends in one page: comparing their times and switching between them.

use anyhow::{Result, ensure};
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{piece, png};
use rbc_tests::scratch::Scratch;
use serde_json::json;
use xtask::paths;

#[test]
fn both_are_timed_when_asked_and_one_can_be_chosen() -> Result<()> {
    let scratch = Scratch::new("race")?;
    let image = scratch.write("one.png", png(&piece(0, 0, 120, 100)?)?)?;
    let page = Page::open(Backend::WebGpu)?;
    page.segment(&[image])?;
    ensure!(page.text("timing")?.contains("WebGPU"), "{}", page.text("timing")?);
    page.js("document.getElementById('machine').open = true", json!([]))?;
    page.session().click("#race")?;
    let both = || {
        let times = page.until_shown("#race-text", "one.png")?;
        let seconds: Vec<f64> = times.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        ensure!(seconds.len() == 2 && times.contains("WebGPU: ") && times.contains("CPU: "), "{times}");
        Ok(())
    };
    both()?;

    page.set("#backend", "cpu")?;
    page.until("the CPU takes over", "return document.body.dataset.backend === 'cpu'", json!([]))?;
    page.wait_until_ready()?;
    let second = scratch.write("two.png", png(&piece(120, 0, 120, 100)?)?)?;
    page.segment(&[second])?;
    page.show("two.png")?;
    ensure!(page.text("timing")?.contains("CPU"), "{}", page.text("timing")?);
    page.show("one.png")?;
    ensure!(page.text("timing")?.contains("WebGPU"), "the first result is gone");
    // It is compared with the CPU, although that is the one in use by now.
    page.session().click("#race")?;
    both()
}

#[test]
fn an_emulated_gpu_computes_only_if_it_is_selected() -> Result<()> {
    let page = Page::start(&paths::site(), true, "")?;
    page.wait_until_ready()?;
    ensure!(page.attribute("backend")? == "cpu", "{}", page.attribute("backend")?);
    page.js("document.getElementById('machine').open = true", json!([]))?;
    let note = page.until_shown("#engine-note", "emulated")?;
    ensure!(!note.contains("longer"), "{note}");
    page.set("#backend", "webgpu")?;
    page.until("WebGPU takes over", "return document.body.dataset.backend === 'webgpu'", json!([]))?;
    page.wait_until_ready()
}

#[test]
fn an_image_that_is_removed_ends_its_comparison() -> Result<()> {
    let scratch = Scratch::new("race-removed")?;
    let images = [
        scratch.write("one.png", png(&piece(0, 0, 120, 100)?)?)?,
        scratch.write("two.png", png(&piece(120, 0, 120, 100)?)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("one.png")?;
    page.js("document.getElementById('machine').open = true", json!([]))?;
    let both = "document.getElementById('race').click(); document.querySelector('[data-name=\"one.png\"] .remove').click();
        return document.getElementById('race-text').textContent";
    assert_eq!(page.js(both, json!([]))?, "The image was removed.");
    // Another image can still be compared.
    page.show("two.png")?;
    page.session().click("#race")?;
    page.until_shown("#race-text", "two.png").map(drop)
}

#[test]
fn a_comparison_can_be_stopped_and_outlasts_a_look_at_another_image() -> Result<()> {
    let scratch = Scratch::new("race-stopped")?;
    let images = [
        scratch.write("one.png", png(&piece(0, 0, 120, 100)?)?)?,
        scratch.write("two.png", png(&piece(120, 0, 120, 100)?)?)?,
    ];
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&images)?;
    page.js("document.getElementById('machine').open = true", json!([]))?;
    // The comparison stands still before it has begun.
    page.hold("start")?;
    page.session().click("#race")?;
    page.until_held()?;
    assert_eq!(page.shown("#race")?, "Stop comparing");
    page.show_early("two.png")?;
    page.until_shown("#picture-name", "two.png")?;
    page.until_shown("#race-text", "Trying")?;
    // The second click of a double click stops nothing.
    let click =
        "document.getElementById('race').dispatchEvent(new MouseEvent('click', { detail: arguments[0] }))";
    page.js(click, json!([2]))?;
    assert_eq!(page.shown("#race")?, "Stop comparing");
    page.js(click, json!([1]))?;
    assert_eq!(
        (page.shown("#race")?, page.shown("#race-text")?),
        ("Compare both on this image".into(), "Stopped.".into())
    );
    page.let_go(None)?;
    page.session().click("#race")?;
    page.until_shown("#race-text", "two.png").map(drop)
}

#[test]
fn a_back_end_that_is_not_there_is_refused_and_the_one_before_goes_on() -> Result<()> {
    let scratch = Scratch::new("refused")?;
    let image = scratch.write("one.png", png(&piece(0, 0, 120, 100)?)?)?;
    let page = Page::start(&paths::site(), false, "")?;
    page.wait_until_ready()?;
    page.js("document.getElementById('machine').open = true", json!([]))?;
    page.set("#backend", "webgpu")?;
    page.until_shown("#error", "WebGPU")?;
    page.until("back to auto", "return document.getElementById('backend').value === 'auto'", json!([]))?;
    page.wait_until_ready()?;
    page.segment(&[image])?;
    ensure!(page.text("timing")?.contains("CPU"), "{}", page.text("timing")?);
    Ok(())
}
