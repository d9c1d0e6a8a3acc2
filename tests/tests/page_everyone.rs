//! Accessibility: axe finds no violations, everything can be reached by keyboard, and dark mode, phones, wide screens
//! and reduced motion are supported.

use anyhow::{Context, Result, ensure};
use rbc_tests::hands::{ENTER, RIGHT, SPACE};
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{png, smear};
use rbc_tests::scratch::Scratch;
use serde_json::{Value, json};
use xtask::{paths, tools};

/// The violations that axe finds in the current state of the page.
fn complaints(page: &Page, axe: &str) -> Result<Vec<String>> {
    page.js(&format!("{axe}\nwindow.axe = axe;"), json!([]))?;
    // Wait for transitions between light and dark: axe would find intermediate colours.
    let body = "const done = arguments[0];
        const moving = document.getAnimations().filter((a) => a instanceof CSSTransition).map((a) => a.finished);
        Promise.allSettled(moving).then(() => axe.run(document, { resultTypes: ['violations'] })).then((r) => done(r.violations.map((v) =>
            `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 150) + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`)), (e) => done([String(e)]))";
    Ok(serde_json::from_value(page.session().script_async(body, json!([]))?)?)
}

#[test]
fn axe_finds_nothing_light_dark_empty_full_wide_or_on_a_phone() -> Result<()> {
    let Some(file) = tools::axe() else {
        println!("skipped: axe-core cannot be installed without npm");
        return Ok(());
    };
    let axe = std::fs::read_to_string(file)?;
    let scratch = Scratch::new("axe")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let broken = scratch.write("broken.png", "no picture")?;
    let page = Page::open(Backend::Cpu)?;
    let check = |what: &str| -> Result<()> {
        let found = complaints(&page, &axe)?;
        page.screenshot(&format!("everyone-{what}"))?;
        ensure!(found.is_empty(), "{what}:\n{}", found.join("\n"));
        Ok(())
    };
    check("empty")?;
    page.prefer("prefers-color-scheme", "dark")?;
    check("empty-dark")?;
    page.segment(&[image, broken])?;
    page.js("document.querySelectorAll('details').forEach((e) => e.open = true)", json!([]))?;
    check("full-dark")?;
    page.prefer("prefers-color-scheme", "light")?;
    check("full")?;
    page.session().click("[data-table=images]")?;
    check("all-images")?;
    page.session().click("[data-table=sizes]")?;
    check("sizes")?;
    // With the offer to put the broken image back.
    page.js("document.querySelector('[data-testid=result][data-state=failed] .remove').click()", json!([]))?;
    page.until_shown("#put-back", "broken.png")?;
    check("removed")?;
    page.be_a_phone()?;
    check("phone")?;
    page.prefer("prefers-color-scheme", "dark")?;
    check("phone-dark")
}

#[test]
fn nothing_is_cut_off_from_phone_to_wide_screen() -> Result<()> {
    let scratch = Scratch::new("sizes")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    let fits = |what: &str| -> Result<()> {
        let wide = "const e = document.documentElement; return [e.scrollWidth, innerWidth]";
        let sides: Vec<f64> = serde_json::from_value(page.js(wide, json!([]))?)?;
        ensure!(sides[0] <= sides[1] + 1.0, "{what}: {} px in a window of {}", sides[0], sides[1]);
        page.screenshot(what).map(drop)
    };
    fits("size-1400-empty")?;
    page.segment(&[image])?;
    for (width, height) in [(2560, 1300), (1280, 800), (1000, 800), (600, 900)] {
        page.session().resize(width, height)?;
        fits(&format!("size-{width}"))?;
        // The largest figures that are likely stand in one line, within the panel.
        let figures = "const area = document.getElementById('mean-area'), words = document.createRange(), was = area.textContent;
            area.textContent = '12345 ±\u{a0}2396\u{a0}px²';
            words.selectNodeContents(area);
            const told = [words.getClientRects().length, words.getBoundingClientRect().right, document.querySelector('.panel').getBoundingClientRect().right];
            area.textContent = was;
            return told";
        let [lines, right, end]: [f64; 3] = serde_json::from_value(page.js(figures, json!([]))?)?;
        ensure!(lines == 1.0 && right < end, "{width}: {lines} lines, {right} px of {end}");
    }
    page.be_a_phone()?;
    fits("size-phone")?;
    page.session().chrome(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": 320, "height": 640, "deviceScaleFactor": 2, "mobile": true }),
    )?;
    fits("size-320")
}

#[test]
fn long_names_that_differ_at_the_end_can_be_told_apart() -> Result<()> {
    let scratch = Scratch::new("long-names")?;
    let names =
        ["01", "02"].map(|field| format!("2026-11-28_patient0042_smear-with-a-long-name_field-{field}.png"));
    let images = [scratch.write(&names[0], png(&smear()?)?)?, scratch.write(&names[1], png(&smear()?)?)?];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    // Of each card: the name as a whole, the part of it that is never shortened and whether all of that is in sight; whether
    // the buttons, which show with the focus, leave the name free; and the card's height without and with them.
    let body = "const free = (button, last, name) => button.width > 0 && (button.top >= name.bottom - 1 || button.left >= last.right);
        return [...document.querySelectorAll('[data-testid=result]')].map((card) => {
        const [name, button, remove] = ['.name', '.result', '.remove'].map((part) => card.querySelector(part));
        const box = (e) => e.getBoundingClientRect(), last = name.lastChild;
        document.activeElement.blur();
        const before = box(card).height, seen = box(last).left >= box(name).left && box(last).right <= box(name).right + 1;
        button.focus();
        return [name.textContent, last.textContent, seen, free(box(remove), box(last), box(name)), before, box(card).height];
    })";
    let cards: Vec<(String, String, bool, bool, f64, f64)> =
        serde_json::from_value(page.js(body, json!([]))?)?;
    assert_eq!(cards.len(), 2);
    for (name, (whole, last, seen, free, before, after)) in names.iter().zip(cards) {
        ensure!(whole == *name && name.ends_with(&last) && last.contains("field-"), "{whole}, {last}");
        ensure!(seen, "the end of {name} is cut off");
        ensure!(free, "the buttons cover {name}");
        ensure!((before - after).abs() < 0.5, "the card grows from {before} to {after} px");
    }
    Ok(())
}

#[test]
fn the_keyboard_alone_gets_from_start_to_file() -> Result<()> {
    let page = Page::open(Backend::Cpu)?;
    page.until_samples()?;
    page.tab_to(".skip")?;
    page.tab_to("#pick")?;
    page.tab_to("[data-testid=sample]")?;
    page.key(ENTER)?;
    page.until(
        "a sample is in the list",
        "return document.querySelectorAll('[data-testid=result]').length",
        json!([]),
    )?;
    page.wait_until_ready()?;
    // The button that was pressed no longer exists: the focus must not return to the top of the page.
    page.tab_to("button[data-view=fill]")?;
    page.key(SPACE)?;
    page.until(
        "filled",
        "return document.querySelector('button[data-view=fill]').ariaPressed === 'true'",
        json!([]),
    )?;
    page.tab_to("#canvas")?;
    page.tab_to("#threshold")?;
    for _ in 0..20 {
        page.key(RIGHT)?;
    }
    page.until_shown("#threshold-value", "0.70")?;
    page.wait_until_ready()?;
    page.saved_by("mask.png", || {
        page.tab_to("[data-testid=export-mask]")?;
        page.key(ENTER)
    })?;
    let count = page.text("cell-count")?;
    page.tab_to("#cells-body tr input")?;
    page.key(SPACE)?;
    page.until("a cell is left out", "return document.querySelector('tr.left-out')", json!([]))?;
    ensure!(page.text("cell-count")? != count, "still {count} cells");
    // The text for screen readers.
    let label = page.js("return document.getElementById('canvas').ariaLabel", json!([]))?;
    ensure!(label.as_str().is_some_and(|label| label.contains(" cell")), "{label}");
    let said = "return document.getElementById('spoken').textContent.includes(' cells')";
    page.until("the count is said", said, json!([]))?;
    Ok(())
}

#[test]
fn single_keys_work_and_can_be_switched_off_for_good() -> Result<()> {
    let scratch = Scratch::new("keys")?;
    let images = [scratch.write("a.png", png(&smear()?)?)?, scratch.write("b.png", png(&smear()?)?)?];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    let shown = |page: &Page| -> Result<Value> {
        page.js(
            "return document.body.querySelector('button[data-view][aria-pressed=true]').dataset.view",
            json!([]),
        )
    };
    page.key("f")?;
    page.wait("F fills", || Ok((shown(&page)? == "fill").then_some(())))?;
    page.key("j")?;
    page.until_shown("#picture-name", "b.png")?;
    page.key("k")?;
    page.until_shown("#picture-name", "a.png")?;
    // Every keyboard shortcut is named in parentheses in a tooltip, as it is written on keyboards.
    let untold = "const written = (key) => key === '-' ? '−' : key.replace('Control', 'Ctrl').toUpperCase();
        return [...document.querySelectorAll('[aria-keyshortcuts]')].flatMap((e) => {
            const title = e.closest('[title]')?.title ?? '';
            const told = [...title.matchAll(/\\(([^()]*)\\)/g)].flatMap((part) => part[1].toUpperCase().split(/[ ,]+/));
            return e.ariaKeyShortcuts.split(' ').map(written).filter((key) => !told.includes(key)).map((key) => `${key}: ${title}`);
        })";
    assert_eq!(page.js(untold, json!([]))?, json!([]));
    // A letter typed into a field is no shortcut.
    page.session().send_keys("#scale", "0.1e")?;
    ensure!(shown(&page)? == "fill", "typing into a field pressed a key");

    page.js("document.getElementById('single-keys').closest('details').open = true", json!([]))?;
    page.session().click("#single-keys")?;
    page.js("document.activeElement.blur()", json!([]))?;
    page.key("o")?;
    page.key("j")?;
    ensure!(shown(&page)? == "fill" && page.shown("#picture-name")? == "a.png", "keys still work");
    page.js("document.getElementById('canvas').focus()", json!([]))?;
    page.key("p")?;
    page.wait("on the picture they do", || Ok((shown(&page)? == "probability").then_some(())))?;
    // The choice is remembered.
    page.save("export-zip", ".zip")?;
    page.session().reload()?;
    page.wait_until_ready()?;
    let checked = page.js("return document.getElementById('single-keys').checked", json!([]))?;
    ensure!(checked == false, "the choice is forgotten");
    Ok(())
}

#[test]
fn less_motion_is_respected_and_a_missing_webgpu_is_said() -> Result<()> {
    let page = Page::start(&paths::site(), false, "")?;
    page.wait_until_ready()?;
    let note = page.until_shown("#engine-note", "CPU")?;
    ensure!(note.contains("WebGPU") && note.contains("may take longer"), "{note}");
    ensure!(page.shown("#engine-text")?.contains("CPU"), "the head does not say what runs");
    let motion = "document.body.dataset.state = 'busy'; const d = document.querySelector('.engine .dot');
        return [getComputedStyle(d).animationName, getComputedStyle(document.getElementById('add')).transitionDuration]";
    let moving = page.js(motion, json!([]))?;
    ensure!(moving[0] == "pulse", "{moving}");
    page.prefer("prefers-reduced-motion", "reduce")?;
    let still = page.js(motion, json!([]))?;
    assert_eq!(still[0], "none");
    let duration = still[1].as_str().context("no duration")?;
    ensure!(duration.split(", ").all(|part| part == "0s"), "{duration}");
    page.prefer("prefers-color-scheme", "dark")?;
    let ground = page.js("return getComputedStyle(document.documentElement).backgroundColor", json!([]))?;
    ensure!(ground == "rgb(19, 22, 24)", "{ground}");
    Ok(())
}

#[test]
fn the_focus_goes_on_with_the_work_and_counts_are_said() -> Result<()> {
    let page = Page::open(Backend::Cpu)?;
    page.until_samples()?;
    let on_canvas =
        || page.wait("the picture has the focus", || Ok((page.focused()? == "canvas").then_some(())));
    page.tab_to("[data-testid=sample]")?;
    page.key(ENTER)?;
    on_canvas()?;
    page.wait_until_ready()?;
    page.tab_to("#cells-body tr input")?;
    page.key(SPACE)?;
    let said = "const count = document.getElementById('cell-count').textContent;
        return document.querySelector('tr.left-out') && document.getElementById('spoken').textContent.includes(`: ${count} cells`)";
    page.until("one cell less is said", said, json!([]))?;
    page.tab_to("#undo")?;
    page.key(ENTER)?;
    on_canvas()?;
    page.tab_to("[data-testid=result] .remove")?;
    page.key(ENTER)?;
    page.wait("the start has it", || Ok((page.focused()? == "pick").then_some(())))
}

#[test]
fn the_licences_of_all_that_the_page_contains_are_a_click_away() -> Result<()> {
    let page = Page::start(&paths::site(), false, "")?;
    let link = "a[href='licenses.txt']";
    assert_eq!(page.shown(link)?, "Licences");
    let fetched = "const [selector, done] = arguments;
        fetch(document.querySelector(selector).href).then((answer) => answer.text()).then(done, (error) => done(String(error)))";
    let text = page.session().script_async(fetched, json!([link]))?;
    let text = text.as_str().context("no text")?;
    for part in ["\nthis project ", "\nimage ", "\nwgpu ", "(c) 2026 The RBC segmentation authors"] {
        ensure!(text.contains(part), "no `{part}` in the licences");
    }
    // A part of the trainer alone, and where the page was built.
    for other in ["cudarc", &*paths::root().to_string_lossy()] {
        ensure!(!text.contains(other), "`{other}` in the licences");
    }
    Ok(())
}
