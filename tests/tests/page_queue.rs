//! The queue: progress, stopping, retrying, adding images while busy, many images, and unsaved results.

use anyhow::{Result, ensure};
use rbc_tests::hands::ESCAPE;
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{piece, png, smear, spread};
use rbc_tests::scratch::Scratch;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The number of images in the list by state.
fn states(page: &Page) -> Result<Value> {
    let body = "const n = {};
        for (const e of document.querySelectorAll('[data-testid=result]')) n[e.dataset.state] = (n[e.dataset.state] ?? 0) + 1;
        return n";
    page.js(body, json!([]))
}

/// Waits until at least `count` images are in this state.
fn until_state(page: &Page, state: &str, count: usize) -> Result<()> {
    let body = "return document.querySelectorAll(`[data-testid=result][data-state=${arguments[0]}]`).length >= arguments[1]";
    page.until(&format!("{count} images are {state}"), body, json!([state, count])).map(drop)
}

/// The names of the images in the list, in its order.
fn names(page: &Page) -> Result<Vec<String>> {
    let body = "return [...document.querySelectorAll('[data-testid=result]')].map((e) => e.dataset.name)";
    Ok(serde_json::from_value(page.js(body, json!([]))?)?)
}

/// An image that keeps the CPU busy for some seconds.
fn slow(scratch: &Scratch, name: &str) -> Result<PathBuf> {
    scratch.write(name, png(&spread(&smear()?, 3600, 3000, 1))?)
}

/// Counts the frames in which `slow.png` shows how far it is.
const FRAMES: &str = "window.frames_at_work = 0;
    const step = () => {
        const card = document.querySelector('[data-name=\"slow.png\"]'), bar = card.querySelector('progress');
        if (card.dataset.state === 'working' && bar.checkVisibility() && bar.value > 0 && bar.value < 1) window.frames_at_work++;
        if (card.dataset.state !== 'done') requestAnimationFrame(step);
    };
    step()";

#[test]
fn images_come_one_by_one_and_can_be_stopped_and_taken_up_again() -> Result<()> {
    let scratch = Scratch::new("queue")?;
    let small = |name: &str, left: u32| scratch.write(name, png(&piece(left, 0, 140, 120)?)?);
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    ensure!(!page.would_ask()?, "there is nothing to lose yet");
    page.hold("segment")?;
    let first = scratch.write("first.png", png(&smear()?)?)?;
    let rest = [small("third.png", 0)?, small("fourth.png", 60)?, small("fifth.png", 120)?];
    page.pick("file-input", &[&[first, slow(&scratch, "slow.png")?][..], &rest].concat())?;

    // The first result can be saved while the others are to come; the whole queue shows its progress.
    page.until_held()?;
    page.let_go(Some("segment"))?;
    assert_eq!(page.until_through("first.png")?, "done");
    page.until_held()?;
    ensure!(page.attribute("state")? == "busy", "all done already: {}", states(&page)?);
    ensure!(page.would_ask()?, "leaving would lose the queue");
    let saved = page.save("export-csv", "first.cells.csv")?;
    ensure!(std::fs::read_to_string(saved)?.lines().count() > 5, "the first result is empty");
    page.until_shown("#progress-text", "1 of 5 done")?;
    assert_eq!(page.js("return document.getElementById('progress').value", json!([]))?, 0.2);

    // The page stays responsive while the model computes: it draws how far an image is before that ends.
    page.js(FRAMES, json!([]))?;
    page.let_go(Some("segment"))?;
    assert_eq!(page.until_through("slow.png")?, "done");
    let frames = page.js("return window.frames_at_work", json!([]))?;
    ensure!(frames.as_u64() > Some(1), "the page froze: {frames} frames");

    // Escape stops the selected image; the others continue.
    let until = |name: &str, state: &str| {
        page.wait(&format!("{name} is {state}"), || Ok((page.result_state(name)? == state).then_some(())))
    };
    page.until_held()?;
    until("third.png", "working")?;
    page.show_early("third.png")?;
    page.key(ESCAPE)?;
    until("third.png", "stopped")?;
    until("fourth.png", "working")?;

    // Cancel stops all the others; finished results stay.
    page.session().click("#cancel")?;
    page.wait_until_ready()?;
    assert_eq!(states(&page)?, json!({ "done": 2, "stopped": 3 }));

    // All stopped images are queued again at once.
    page.session().click("#retry-all")?;
    ensure!(page.attribute("state")? == "busy", "nothing was taken up again");
    // More images can be added while the page is busy.
    page.pick("file-input", &[small("sixth.png", 180)?])?;
    page.wait("it is listed", || Ok((names(&page)?.len() == 6).then_some(())))?;
    page.let_go(None)?;
    until_state(&page, "done", 6)?;
    page.wait_until_ready()
}

#[test]
fn the_image_looked_at_comes_next_and_one_that_waits_can_be_stopped() -> Result<()> {
    let scratch = Scratch::new("next")?;
    let small = |name: &str, left: u32| scratch.write(name, png(&piece(left, 0, 140, 120)?)?);
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.hold("segment")?;
    page.pick("file-input", &[small("one.png", 0)?, small("two.png", 60)?, small("three.png", 120)?])?;
    page.until_held()?;
    page.show_early("three.png")?;
    page.let_go(Some("segment"))?;
    page.until_held()?;
    let now = json!({ "done": 1, "waiting": 1, "working": 1 });
    page.wait("one is done, one runs", || Ok((states(&page)? == now).then_some(())))?;
    assert_eq!(page.result_state("three.png")?, "working");

    let stop = "const b = document.querySelector('[data-name=\"two.png\"] .again');
        const told = [b.hidden, b.textContent]; b.click(); return told";
    assert_eq!(page.js(stop, json!([]))?, json!([false, "Stop"]));
    page.wait("it is stopped", || Ok((page.result_state("two.png")? == "stopped").then_some(())))?;
    page.let_go(None)?;
    page.wait_until_ready()?;
    assert_eq!(states(&page)?, json!({ "done": 2, "stopped": 1 }));
    Ok(())
}

#[test]
fn a_second_run_keeps_the_first_result_until_it_has_another() -> Result<()> {
    let scratch = Scratch::new("again")?;
    let image = scratch.write("smear.png", png(&spread(&smear()?, 1800, 1500, 1))?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    let (count, hint) = (page.text("cell-count")?, page.until_shown("#diameter-hint", "Estimated")?);

    // If it is stopped, the earlier result and its diameter stay.
    page.set("#diameter", "25")?;
    until_state(&page, "working", 1)?;
    page.session().click("#cancel")?;
    page.wait_until_ready()?;
    assert_eq!(states(&page)?, json!({ "done": 1 }));
    assert_eq!((page.text("cell-count")?, page.shown("#diameter-hint")?), (count, hint));
    let table = std::fs::read_to_string(page.save("export-images", "summary.csv")?)?;
    assert_eq!(table.lines().count(), 2, "a head and a line: {table}");

    // If a diameter is typed while the cells of one run are being counted, the model runs once more.
    let type_then = "window.seen = []; let typed = false;
        new MutationObserver(() => {
            const { state } = document.querySelector('[data-testid=result]').dataset;
            if (window.seen.at(-1) !== state) window.seen.push(state);
            if (typed || state !== 'counting') return;
            typed = true;
            const field = document.getElementById('diameter');
            field.value = '61';
            field.dispatchEvent(new Event('change'));
        }).observe(document.getElementById('results'), { subtree: true, attributes: true, attributeFilter: ['data-state'] })";
    page.js(type_then, json!([]))?;
    page.set("#diameter", "58")?;
    page.until("the first run counts", "return window.seen.includes('counting')", json!([]))?;
    page.wait_until_ready()?;
    let seen = page.js("return window.seen.filter((state) => state === 'working').length", json!([]))?;
    assert_eq!(seen, 2, "{}", page.js("return window.seen", json!([]))?);
    Ok(())
}

#[test]
fn leaving_asks_until_all_is_saved() -> Result<()> {
    let scratch = Scratch::new("unsaved")?;
    let images = [
        scratch.write("a.png", png(&piece(0, 0, 200, 160)?)?)?,
        scratch.write("b.png", png(&piece(200, 0, 200, 160)?)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    ensure!(page.would_ask()?, "two results are not saved");
    page.show("a.png")?;
    page.save("export-mask", "a.mask.png")?;
    ensure!(page.would_ask()?, "b.png is not saved");
    page.save("export-images", "summary.csv")?;
    page.wait("nothing is unsaved", || Ok((!page.would_ask()?).then_some(())))?;
    // After a change, what was saved differs from what is shown.
    page.set("#threshold", "0.7")?;
    page.wait_until_ready()?;
    ensure!(page.would_ask()?, "the new cells are not saved");
    page.save("export-zip", ".zip")?;
    page.wait("nothing is unsaved", || Ok((!page.would_ask()?).then_some(())))
}

#[test]
fn two_hundred_images_go_through() -> Result<()> {
    let scratch = Scratch::new("many")?;
    let smear = smear()?;
    let mut files = Vec::new();
    for number in 0..200_u32 {
        let (x, y) = (number % 20 * 14, number / 20 * 20);
        let small = image::imageops::crop_imm(&smear, x, y, 80, 80).to_image();
        files.push(scratch.write(&format!("field-{number:03}.png"), png(&small)?)?);
    }
    files.push(scratch.write("broken.png", "no picture")?);
    let page = Page::open(Backend::Cpu)?;
    page.pick("file-input", &files)?;
    until_state(&page, "done", 200)?;
    page.wait_until_ready()?;
    assert_eq!(states(&page)?, json!({ "done": 200, "failed": 1 }));
    let table = std::fs::read_to_string(page.save("export-images", "summary.csv")?)?;
    assert_eq!(table.lines().count(), 201, "a head and 200 lines");
    page.screenshot("two-hundred").map(drop)
}

#[test]
fn what_was_removed_can_be_put_back_with_its_corrections() -> Result<()> {
    let scratch = Scratch::new("put-back")?;
    let [one, two, three] = ["one.png", "two.png", "three.png"];
    let write = |name: &str, left: u32| scratch.write(name, png(&piece(left, 0, 140, 120)?)?);
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[write(one, 0)?, write(two, 60)?, write(three, 120)?])?;
    let remove = |name: &str| {
        let body =
            "document.querySelector(`[data-testid=result][data-name='${arguments[0]}'] .remove`).click()";
        page.js(body, json!([name]))
    };
    ensure!(page.shown("#put-back")?.is_empty(), "nothing has been removed");
    page.show(two)?;
    page.js("document.querySelector('#cells-body tr input').click()", json!([]))?;
    page.until_shown("#picture-facts", "1 correction by hand")?;
    page.wait_until_ready()?;
    let count = page.text("cell-count")?;

    remove(two)?;
    page.until_shown("#put-back", "Put back two.png")?;
    assert_eq!(names(&page)?, [one, three]);
    page.session().click("#put-back")?;
    page.until_shown("#picture-name", two)?;
    assert_eq!(
        (names(&page)?, page.shown("#put-back")?.as_str()),
        (vec![one.into(), two.into(), three.into()], "")
    );
    page.until_shown("#picture-facts", "1 correction by hand")?;
    page.wait_until_ready()?;
    assert_eq!(page.text("cell-count")?, count);
    let focus = "return document.activeElement.closest('[data-testid=result]')?.dataset.name";
    assert_eq!(page.js(focus, json!([]))?, two);

    // A double click removes one image, not also the next, which lies under the pointer then. What was removed one after
    // the other comes back one after the other.
    let double_click = "for (const [name, detail] of [['one.png', 1], ['two.png', 2]])
        document.querySelector(`[data-name='${name}'] .remove`).dispatchEvent(new MouseEvent('click', { detail }))";
    page.js(double_click, json!([]))?;
    assert_eq!(names(&page)?, [two, three]);
    remove(three)?;
    for (put_back, rest) in [(three, vec![two, three]), (one, vec![one, two, three])] {
        page.until_shown("#put-back", put_back)?;
        page.js("document.getElementById('put-back').click()", json!([]))?;
        assert_eq!(names(&page)?, rest);
    }
    page.until("nothing more to put back", "return document.getElementById('put-back').hidden", json!([]))?;

    // All of them, and one that has not been segmented yet: that is done after all.
    for name in [one, two, three] {
        remove(name)?;
    }
    page.until_shown("#welcome", "Drop smear images here")?;
    let slow = slow(&scratch, "slow.png")?;
    page.pick("file-input", &[slow, write("four.png", 30)?])?;
    page.until(
        "both are there",
        "return document.querySelectorAll('[data-testid=result]').length === 2",
        json!([]),
    )?;
    remove("four.png")?;
    page.js("document.getElementById('put-back').click()", json!([]))?;
    assert_eq!(page.until_through("four.png")?, "done");
    Ok(())
}

#[test]
fn the_whole_list_can_be_removed_and_put_back_and_the_settings_stay() -> Result<()> {
    let scratch = Scratch::new("remove-all")?;
    let small = |name: &str, left: u32| scratch.write(name, png(&piece(left, 0, 140, 120)?)?);
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&[small("one.png", 0)?])?;
    ensure!(page.shown("#remove-all")?.is_empty(), "for one image its own button will do");
    page.segment(&[small("two.png", 60)?, scratch.write("letter.png", "no picture")?])?;
    page.set("#scale", "0.1")?;
    page.show("two.png")?;
    page.js("document.querySelector('#cells-body tr input').click()", json!([]))?;
    page.until_shown("#picture-facts", "1 correction by hand")?;
    page.wait_until_ready()?;
    let count = page.text("cell-count")?;
    // One more is under way, and one waits.
    page.hold("segment")?;
    page.pick("file-input", &[small("runs.png", 90)?, small("waits.png", 120)?])?;
    page.until_held()?;
    page.wait("all are listed", || Ok((names(&page)?.len() == 5).then_some(())))?;

    page.session().click("#remove-all")?;
    page.until_shown("#welcome", "Drop smear images here")?;
    page.let_go(None)?;
    page.wait_until_ready()?;
    assert_eq!((names(&page)?, page.shown("#error")?.as_str()), (Vec::new(), ""));
    let scale = page.js("return document.getElementById('scale').value", json!([]))?;
    assert_eq!(scale, "0.1");

    // The next slide goes behind them.
    page.segment(&[small("next.png", 30)?])?;
    page.until_shown("#put-back", "Put back 5 images")?;
    page.session().click("#put-back")?;
    assert_eq!(names(&page)?, ["one.png", "two.png", "letter.png", "runs.png", "waits.png", "next.png"]);
    ensure!(page.shown("#put-back")?.is_empty(), "they are back");
    page.wait_until_ready()?;
    assert_eq!(states(&page)?, json!({ "done": 5, "failed": 1 }));
    page.show("two.png")?;
    page.until_shown("#picture-facts", "1 correction by hand")?;
    assert_eq!(page.text("cell-count")?, count);

    // What was removed before the last time is kept as well.
    page.session().click("#remove-all")?;
    page.until_shown("#put-back", "Put back 6 images")?;
    page.segment(&[small("last.png", 45)?])?;
    page.js("document.querySelector('[data-testid=result] .remove').click()", json!([]))?;
    page.until_shown("#put-back", "Put back last.png")?;
    page.js("document.getElementById('put-back').click()", json!([]))?;
    page.until_shown("#put-back", "Put back 6 images").map(drop)
}
