//! Failures in real browsers: a lost GPU, a worker out of memory, a tab in the background, and images of 30 and 108
//! megapixels.

use anyhow::{Result, ensure};
use image::ImageFormat;
use image::imageops::{FilterType, resize};
use rbc_tests::memory::Peak;
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{encoded, piece, png, smear, spread};
use rbc_tests::scratch::Scratch;
use serde_json::json;
use std::path::PathBuf;
use xtask::paths;

/// Code for every worker: on command it destroys the GPU device or lets it run out of memory, makes the worker fail as if it had run out of memory,
/// refuses bitmaps, or no longer hears what it is to open and to measure.
const HOOK: &str = r#"
    if (globalThis.GPUAdapter) {
        const request = GPUAdapter.prototype.requestDevice;
        GPUAdapter.prototype.requestDevice = async function (...all) {
            return globalThis.device = await request.apply(this, all); };
        const create = GPUDevice.prototype.createBuffer;
        GPUDevice.prototype.createBuffer = function (wanted) {
            // More than any GPU has.
            const size = globalThis.full && wanted.size > 200_000 ? 2 ** 50 : wanted.size;
            return create.call(this, { ...wanted, size }); };
    }
    // All workers run one program; the first message tells them apart. Hands are workers of the worker.
    let role = 'desk';
    const makeBitmap = globalThis.createImageBitmap;
    const refuseBitmap = async () => {
        new BroadcastChannel('refused').postMessage('a bitmap');
        throw new Error('out of memory');
    };
    let deaf = false;
    addEventListener('message', (event) => {
        const { kind } = event.data;
        role = { start: 'network', 'join-pool': 'hands' }[kind] ?? role;
        if (deaf && ['open', 'measure'].includes(kind)) event.stopImmediatePropagation();
    });
    new BroadcastChannel('fault').onmessage = ({ data }) => {
        if (data === 'lose' && globalThis.device) globalThis.device.destroy();
        if (data === 'fill the GPU') globalThis.full = true;
        if (data === 'kill ' + role) setTimeout(() => { throw new WebAssembly.RuntimeError('memory access out of bounds'); });
        if (data === 'refuse bitmaps') globalThis.createImageBitmap = refuseBitmap;
        if (data === 'grant bitmaps') globalThis.createImageBitmap = makeBitmap;
        if (data === 'deafen desk' && role === 'desk') {
            deaf = true;
            new BroadcastChannel('deaf').postMessage('yes');
        }
        if (data === 'count hands' && role === 'hands') new BroadcastChannel('hands').postMessage('here');
    };
"#;

/// What makes the emulated GPU pass for a real one.
const REAL: &str =
    "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get() { return false } });";

/// The page on `query`, with this code before the program of every worker.
fn with_workers(code: &str, query: &str) -> Result<Page> {
    let source = format!(
        "const Plain = Blob;
        window.Blob = function (parts, options) {{
            return new Plain(options?.type === 'text/javascript' ? [{} + parts[0]] : parts, options);
        }};
        window.fault = (what) => new BroadcastChannel('fault').postMessage(what);",
        json!(code)
    );
    let page = Page::blank(&paths::site(), true, &[])?;
    page.session().chrome("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }))?;
    page.visit(&format!("{}{query}", page.url()))?;
    Ok(page)
}

fn hooked(query: &str) -> Result<Page> {
    with_workers(HOOK, query)
}

fn three(scratch: &Scratch) -> Result<Vec<PathBuf>> {
    let small = |name: &str, x, y| scratch.write(name, png(&piece(x, y, 120, 100)?)?);
    Ok(vec![small("one.png", 0, 0)?, small("two.png", 120, 0)?, small("three.png", 0, 100)?])
}

#[test]
fn a_lost_graphics_processor_costs_no_result() -> Result<()> {
    let scratch = Scratch::new("lost")?;
    let images = three(&scratch)?;
    let page = hooked("?backend=webgpu")?;
    assert_eq!(page.attribute("backend")?, "webgpu");
    page.segment(&images[..1])?;
    let before = page.result_text("one.png")?;
    // The others are queued when the GPU is lost.
    page.pick("file-input", &images[1..])?;
    page.js("fault('lose')", json!([]))?;
    page.until("the page goes over to the CPU", "return document.body.dataset.backend === 'cpu'", json!([]))?;
    for name in ["two.png", "three.png"] {
        assert_eq!(page.until_through(name)?, "done", "{name}");
    }
    page.wait_until_ready()?;
    let said = page.until_shown("[data-testid=error]", "CPU")?;
    ensure!(said.contains("No result is lost"), "{said}");
    assert_eq!(page.result_text("one.png")?, before);
    page.show("one.png")?;
    page.save("export-mask", "one.mask.png").map(drop)
}

#[test]
fn a_graphics_processor_without_memory_gives_no_wrong_result() -> Result<()> {
    let scratch = Scratch::new("full")?;
    let images = three(&scratch)?;
    // One page at a time.
    let right = {
        let page = hooked("?backend=cpu")?;
        page.segment(&images[1..2])?;
        figures(&page, "two.png")?
    };
    let page = hooked("?backend=webgpu")?;
    page.segment(&images[..1])?;
    page.js("fault('fill the GPU')", json!([]))?;
    page.pick("file-input", &images[1..2])?;
    page.until("the page goes over to the CPU", "return document.body.dataset.backend === 'cpu'", json!([]))?;
    assert_eq!(page.until_through("two.png")?, "done");
    page.wait_until_ready()?;
    page.until_shown("[data-testid=error]", "graphics processor failed")?;
    assert_eq!(figures(&page, "two.png")?, right);
    Ok(())
}

/// What the list says of an image, without the buttons.
fn figures(page: &Page, name: &str) -> Result<String> {
    Ok(page.result_text(name)?.trim_end_matches(['×', '\n']).into())
}

#[test]
fn a_graphics_processor_that_is_slower_or_lacks_a_feature_leaves_the_work_to_the_cpu() -> Result<()> {
    let lacking = format!(
        "{REAL} const has = GPUSupportedFeatures.prototype.has;
        GPUSupportedFeatures.prototype.has = function (feature) {{
            return feature !== 'timestamp-query' && has.call(this, feature); }};"
    );
    for (script, told) in [(REAL, "faster than WebGPU"), (lacking.as_str(), "lacks timestamps")] {
        let page = with_workers(script, "")?;
        page.wait_until_ready()?;
        assert_eq!(page.attribute("backend")?, "cpu");
        page.js("document.getElementById('machine').open = true", json!([]))?;
        page.until_shown("#engine-note", told)?;
        assert_eq!(page.shown("[data-testid=error]")?, "");
    }
    Ok(())
}

#[test]
fn workers_that_die_are_started_again() -> Result<()> {
    let scratch = Scratch::new("killed")?;
    let images = three(&scratch)?;
    let slow = scratch.write("slow.png", png(&spread(&smear()?, 1800, 1500, 1))?)?;
    let page = hooked("?backend=cpu")?;
    page.segment(&images[..1])?;
    let before = page.result_text("one.png")?;

    // The worker that draws and measures.
    page.js("fault('kill desk')", json!([]))?;
    page.until_shown("[data-testid=error]", "Drawing and measuring stopped")?;
    page.wait_until_ready()?;
    page.session().click("#dismiss")?;
    page.save("export-mask", "one.mask.png")?;

    // The worker that computes, in the middle of an image.
    page.pick("file-input", &[slow, images[1].clone()])?;
    let working = "return document.querySelector('[data-testid=result][data-state=working]')?.dataset.name === 'slow.png'";
    page.until("it is at the slow one", working, json!([]))?;
    page.js("fault('kill network')", json!([]))?;
    page.until_shown("[data-testid=error]", "started again")?;
    for name in ["slow.png", "two.png"] {
        assert_eq!(page.until_through(name)?, "done", "{name}");
    }
    page.wait_until_ready()?;
    assert_eq!(page.result_text("one.png")?, before);
    Ok(())
}

#[test]
fn the_image_that_the_desk_died_over_is_told() -> Result<()> {
    let scratch = Scratch::new("blamed")?;
    let images = three(&scratch)?;
    let slow = scratch.write("slow.png", png(&spread(&smear()?, 1800, 1500, 1))?)?;
    let page = hooked("?backend=cpu")?;
    page.segment(&images[..1])?;
    let listen =
        "window.deaf = new BroadcastChannel('deaf'); window.deaf.onmessage = () => { window.isDeaf = true; }";
    page.js(listen, json!([]))?;
    page.js("fault('deafen desk')", json!([]))?;
    page.until("the desk is deaf", "return window.isDeaf", json!([]))?;
    // It is to open one image, and behind that to measure another.
    page.pick("file-input", &[slow, images[1].clone()])?;
    let until_slow_is = |state: &str| {
        page.wait(&format!("slow.png is {state}"), || {
            Ok((page.result_state("slow.png")? == state).then_some(()))
        })
    };
    until_slow_is("working")?;
    page.show_early("two.png")?;
    until_slow_is("counting")?;
    page.js("fault('kill desk')", json!([]))?;
    page.until_shown("[data-testid=error]", "stopped while processing two.png")?;
    for name in ["slow.png", "two.png"] {
        assert_eq!(page.until_through(name)?, "done", "{name}");
    }
    page.wait_until_ready()
}

#[test]
fn a_page_that_fails_says_so_and_does_not_hang() -> Result<()> {
    let page = Page::blank(&paths::site(), true, &[])?;
    let faults = [
        // A panic.
        ("document.getElementById('engine-text').remove()", "engine-text"),
        // An error of the browser, in the middle of an action. The words of an injected script's errors are withheld.
        ("CanvasRenderingContext2D.prototype.clearRect = () => { throw new Error() }", "error"),
    ];
    for (fault, words) in faults {
        page.visit(&format!("{}?backend=cpu", page.url()))?;
        page.js(fault, json!([]))?;
        page.set("#backend", "cpu")?;
        let said = page.until_shown("[data-testid=error]", words)?;
        ensure!(said.contains("The page has failed") && said.contains("Reload it"), "{said}");
        assert_eq!(page.attribute("state")?, "error");
        // What happens from now on has no effect, but it ends.
        page.set("#threshold", "0.6")?;
        assert_eq!(page.js("return document.readyState", json!([]))?, "complete");
    }
    Ok(())
}

#[test]
fn an_image_that_the_desk_failed_at_is_not_summed_up() -> Result<()> {
    let scratch = Scratch::new("failed-later")?;
    let images = three(&scratch)?;
    let page = hooked("?backend=cpu")?;
    page.segment(&images[..2])?;
    page.show("one.png")?;
    page.session().click("[data-table=images]")?;
    page.until_shown("#images-foot", "2 images")?;
    // The first time, the desk opens the image again.
    let kill = "fault('kill desk');
        return document.querySelector('[data-testid=result][data-name=\"one.png\"]').dataset.state === 'failed'";
    page.until("the desk fails at it again", kill, json!([]))?;
    page.until_shown("#images-body tr:nth-child(1)", "failed")?;
    page.until_shown("#images-foot", "1 image")?;
    let same = "const texts = (row) => [1, 2, 4].map((column) => parseFloat(row.cells[column].innerText.replace('mean ', '')));
        return JSON.stringify(texts(document.querySelector('#images-body tr:nth-child(2)'))) === JSON.stringify(texts(document.querySelector('#images-foot tr')))";
    ensure!(page.js(same, json!([]))? == true, "{}", page.shown("#table-images")?);
    assert_eq!(page.text("cell-count")?, "–");
    Ok(())
}

#[test]
fn a_program_that_does_not_come_is_an_error_and_no_endless_trial() -> Result<()> {
    let scratch = Scratch::new("no-program")?;
    for file in xtask::size::list(&paths::site())?.iter().filter(|file| !file.ends_with("worker_bg.wasm")) {
        scratch.write(&file.to_string_lossy(), std::fs::read(paths::site().join(file))?)?;
    }
    let page = Page::start(scratch.path(), true, "?backend=cpu")?;
    page.until("the page gives up", "return document.body.dataset.state === 'error'", json!([]))?;
    let said = page.shown("[data-testid=error]")?;
    ensure!(said.contains("worker_bg.wasm") && said.contains("Reload the page"), "{said}");
    page.until_shown("#engine-text", "Not running")?;
    // The settings can still be changed; the result is the same, and the page gives up again.
    page.js("document.getElementById('dismiss').click()", json!([]))?;
    page.set("#backend", "auto")?;
    page.until_shown("[data-testid=error]", "Reload the page")?;
    ensure!(page.attribute("state")? == "error", "{}", page.attribute("state")?);
    Ok(())
}

#[test]
fn a_page_that_loads_in_part_says_so() -> Result<()> {
    let scratch = Scratch::new("no-page")?;
    for file in xtask::size::list(&paths::site())?.iter().filter(|file| !file.ends_with("app.js")) {
        scratch.write(&file.to_string_lossy(), std::fs::read(paths::site().join(file))?)?;
    }
    let page = Page::start(scratch.path(), false, "?backend=cpu")?;
    page.until_shown("[data-testid=error]", "Check the connection")?;
    page.until_shown("#engine-text", "Not running")?;
    assert_eq!(page.attribute("state")?, "error");
    Ok(())
}

#[test]
fn hands_that_die_are_done_without() -> Result<()> {
    let scratch = Scratch::new("hands")?;
    let images = three(&scratch)?;
    let slow = scratch.write("slow.png", png(&spread(&smear()?, 1800, 1500, 1))?)?;
    let again = scratch.write("again.png", std::fs::read(&slow)?)?;
    let page = hooked("?backend=cpu")?;
    page.segment(&images[..1])?;
    page.segment(&[slow])?;
    // There is one helper worker for each core, at most four. On a single core there is none, and none dies.
    let count =
        "window.hands ??= (() => { const channel = new BroadcastChannel('hands'), seen = { count: 0 };
        channel.onmessage = () => seen.count++; window.fault('count hands'); return seen; })();
        const cores = navigator.hardwareConcurrency;
        return window.hands.count === (cores > 1 ? Math.min(cores, 4) : 0)";
    page.until("every core has a hand", count, json!([]))?;

    page.pick("file-input", &[again])?;
    let working = "return document.querySelector('[data-testid=result][data-state=working]')?.dataset.name === 'again.png'";
    page.until("it is at the slow one", working, json!([]))?;
    page.js("fault('kill hands')", json!([]))?;
    assert_eq!(page.until_through("again.png")?, "done");
    page.wait_until_ready()?;
    let without_name = |name: &str| Ok::<_, anyhow::Error>(page.result_text(name)?.replace(name, ""));
    assert_eq!(without_name("again.png")?, without_name("slow.png")?);
    ensure!(page.shown("[data-testid=error]")?.is_empty(), "{}", page.shown("[data-testid=error]")?);
    Ok(())
}

#[test]
fn hands_that_do_not_come_are_done_without() -> Result<()> {
    let scratch = Scratch::new("no-hands")?;
    let images = three(&scratch)?;
    // The second hand has no program, or one that fails before it can tell.
    for program in ["URL.revokeObjectURL(url)", ""] {
        let code = format!(
            "const PlainWorker = Worker;
            let begun = 0;
            globalThis.Worker = function (own, options) {{
                const url = URL.createObjectURL(new Blob(['throw new Error(`broken`)'], {{ type: 'text/javascript' }}));
                {program};
                return new PlainWorker(++begun === 2 ? url : own, options);
            }};\n"
        );
        let page = with_workers(&code, "?backend=cpu")?;
        page.segment(&images[..1])?;
        assert_eq!(page.result_state("one.png")?, "done", "{program}");
        ensure!(page.shown("[data-testid=error]")?.is_empty(), "{}", page.shown("[data-testid=error]")?);
    }
    Ok(())
}

#[test]
fn a_part_of_the_picture_that_could_not_be_made_is_asked_for_again() -> Result<()> {
    let scratch = Scratch::new("bitmaps")?;
    let images = three(&scratch)?;
    let page = hooked("?backend=cpu")?;
    page.segment(&images[..1])?;
    let drawn = "const c = document.getElementById('canvas');
        return c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[3] === 255";
    page.until("the first image is drawn", drawn, json!([]))?;
    let count = "window.refused = 0; window.refusals = new BroadcastChannel('refused');
        window.refusals.onmessage = () => { window.refused++; }";
    page.js(count, json!([]))?;
    page.js("fault('refuse bitmaps')", json!([]))?;
    page.segment(&images[1..2])?;
    page.show("two.png")?;
    page.until("bitmaps are refused", "return window.refused > 0", json!([]))?;
    ensure!(page.js(drawn, json!([]))? == false, "the picture is drawn without bitmaps");
    page.js("fault('grant bitmaps')", json!([]))?;
    page.until("the second image is drawn", drawn, json!([])).map(drop)
}

/// Counts the tiles that are requested and that come, and those that are requested again.
const TILES: &str = r#"
    const post = Worker.prototype.postMessage, seen = new Set(), heard = new WeakSet();
    window.tiles = { asked: 0, come: 0, again: 0 };
    Worker.prototype.postMessage = function (message, ...rest) {
        if (message.kind === 'tile') {
            const { layer, level, column, row, version } = message, tile = [layer, level, column, row, version].join();
            window.tiles.asked++;
            if (seen.has(tile)) window.tiles.again++;
            seen.add(tile);
            if (!heard.has(this)) this.addEventListener('message', ({ data }) => { if (data.kind === 'tile') window.tiles.come++; });
            heard.add(this);
        }
        return post.call(this, message, ...rest);
    };
"#;

#[test]
fn a_view_of_very_many_tiles_comes_to_rest() -> Result<()> {
    let scratch = Scratch::new("tiles")?;
    let image = scratch.write("wide.png", png(&spread(&smear()?, 1024, 768, 1))?)?;
    let page = Page::blank(&paths::site(), true, &[])?;
    page.session().chrome("Page.addScriptToEvaluateOnNewDocument", json!({ "source": TILES }))?;
    // Six canvas pixels for each pixel of the screen, as if it were six times as wide.
    let screen = json!({ "width": 1400, "height": 800, "deviceScaleFactor": 6, "mobile": false });
    page.session().chrome("Emulation.setDeviceMetricsOverride", screen)?;
    page.visit(&format!("{}?backend=cpu", page.url()))?;
    page.segment(&[image])?;
    // For six frames nothing is requested or comes, or something has been requested again.
    let over = "const done = arguments[0], { tiles } = window, before = tiles.come;
        const still = () => tiles.again > 0 || tiles.asked === tiles.come && tiles.come === before && before;
        let n = 6; const step = () => n-- ? requestAnimationFrame(step) : done(still()); step()";
    let number = page.wait("all tiles are there", || {
        Ok(Some(page.session().script_async(over, json!([]))?)
            .filter(|number| *number != 0 && *number != false))
    })?;
    assert_eq!(page.js("return window.tiles.again", json!([]))?, 0, "a tile in view was dropped");
    ensure!(number.as_u64() > Some(160), "{number} tiles are not many");
    Ok(())
}

#[test]
fn a_tab_in_the_background_goes_on() -> Result<()> {
    let scratch = Scratch::new("background")?;
    let page = Page::blank(&paths::site(), true, &[])?;
    // A hidden tab gets no animation frames.
    let still = "window.requestAnimationFrame = () => 0;
        Object.defineProperty(document, 'hidden', { value: true }); Object.defineProperty(document, 'visibilityState', { value: 'hidden' });";
    page.session().chrome("Page.addScriptToEvaluateOnNewDocument", json!({ "source": still }))?;
    page.visit(&format!("{}?backend=cpu", page.url()))?;
    page.segment(&three(&scratch)?)?;
    page.wait("its cells are counted", || Ok(page.text("cell-count")?.parse::<usize>().ok()))?;
    for name in ["one.png", "two.png", "three.png"] {
        assert_eq!(page.result_state(name)?, "done", "{name}");
        ensure!(page.result_text(name)?.contains("cell"), "{}", page.result_text(name)?);
    }
    Ok(())
}

#[test]
fn thirty_megapixels_are_segmented_and_stay_sharp() -> Result<()> {
    let scratch = Scratch::new("large")?;
    // Cells three times as wide as in the sample, as with a stronger objective.
    let image = spread(&smear()?, 6000, 5000, 3);
    let file = scratch.write("large.bmp", encoded(image, ImageFormat::Bmp)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[file])?;
    assert_eq!(page.result_state("large.bmp")?, "done");
    let count: usize = page.text("cell-count")?.parse()?;
    ensure!(count > 300, "{count} cells");
    // At 100 % the canvas must show the image's own pixels, not those of a smaller copy.
    page.js("document.getElementById('canvas').focus()", json!([]))?;
    page.key("n")?;
    page.key("1")?;
    page.until_shown("#zoom-level", "100 %")?;
    let sharp = "const c = document.getElementById('canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let same = 0, all = 0;
        for (let i = 4 * 50 * c.width; i < 4 * 60 * c.width; i += 4) { all++; same += d[i] === d[i + 4] && d[i + 1] === d[i + 5] && d[i + 2] === d[i + 6]; }
        return d[4 * 55 * c.width + 3] === 255 && same / all";
    // Each pixel of the sample is three pixels wide here, so two of three neighbours are equal unless something was
    // resampled.
    let share = page.wait("the tiles have come", || {
        Ok(page.js(sharp, json!([]))?.as_f64().filter(|share| (0.6..0.85).contains(share)))
    })?;
    println!("30 megapixels: {count} cells, {}, {share:.2} of the neighbours equal", page.text("timing")?);
    page.save("export-mask", "large.mask.png").map(drop)
}

#[test]
fn a_hundred_megapixels_are_segmented() -> Result<()> {
    let scratch = Scratch::new("huge")?;
    let large = resize(&smear()?, 1080, 900, FilterType::CatmullRom);
    let file = scratch.write("huge.bmp", encoded(spread(&large, 12_000, 9_000, 1), ImageFormat::Bmp)?)?;
    let page = Page::open(Backend::Cpu)?;
    // Not before: while another test has the browser, this one waits.
    let peak = Peak::watch();
    page.segment(&[file])?;
    let peak = peak.megabytes();
    assert_eq!(page.result_state("huge.bmp")?, "done", "{}", page.result_text("huge.bmp")?);
    let (count, time) = (page.text("cell-count")?, page.text("timing")?);
    println!("108 megapixels: {count} cells, {time}, at most {peak} MB in all processes of the browser");
    page.save("export-mask", "huge.mask.png").map(drop)
}
