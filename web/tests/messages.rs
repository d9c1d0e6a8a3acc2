//! Messages come out as they went in. The words in them are those of the page's buttons; other words are understood by
//! nobody, instead of meaning something else.

use js_sys::{ArrayBuffer, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web::message::{Backend, Export, Layer, Product, Reply, Request, Task, Tile};

wasm_bindgen_test_configure!(run_in_browser);

const PAGE: &str = include_str!("../../index.html");

fn tile(layer: Layer) -> Tile {
    Tile { id: 7, layer, level: -2, column: 3, row: 4 }
}

/// The values that an attribute has in the page.
fn values(attribute: &str) -> Vec<&'static str> {
    let begun = format!(" {attribute}=\"");
    PAGE.split(&begun).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[wasm_bindgen_test]
fn every_word_comes_out_as_it_went_in() {
    for layer in Layer::ALL {
        let (message, _) = Request::Tile { tile: tile(*layer), version: 5 }.write();
        let read = Request::read(&message);
        assert!(matches!(read, Some(Request::Tile { tile: read, version: 5 }) if read == tile(*layer)));
    }
    for product in Product::ALL {
        let (message, _) = Request::Export(Export { id: 7, what: *product, stem: "smear".into() }).write();
        let read = Request::read(&message);
        assert!(matches!(read, Some(Request::Export(read)) if read.what == *product && read.stem == "smear"));
    }
    for task in Task::ALL {
        let failed = Reply::Failed { id: 7, task: *task, truth_version: 2, message: "no".into() };
        let read = Reply::read(&failed.write().0);
        assert!(matches!(read, Some(Reply::Failed { task: read, truth_version: 2, .. }) if read == *task));
    }
    for wish in [None, Some(Backend::WebGpu), Some(Backend::Cpu)] {
        let start = Request::Start { weights_serial: 3, backend: wish, weights: ArrayBuffer::new(8) };
        let read = Request::read(&start.write().0);
        assert!(matches!(read, Some(Request::Start { weights_serial: 3, backend, .. }) if backend == wish));
    }
}

#[wasm_bindgen_test]
fn a_message_with_an_unknown_word_is_none() -> Result<(), JsValue> {
    let (message, _) = Request::Tile { tile: tile(Layer::Fill), version: 5 }.write();
    Reflect::set(&message, &"layer".into(), &"filled".into())?;
    assert!(Request::read(&message).is_none());
    Ok(())
}

#[wasm_bindgen_test]
fn the_pages_buttons_use_these_words() {
    let products: Vec<_> = Product::ALL.iter().map(|product| product.name()).collect();
    assert_eq!(values("data-export"), products);
    let mut views: Vec<_> =
        Layer::ALL.iter().map(|layer| layer.name()).filter(|name| *name != "image").collect();
    views.push("none");
    assert_eq!(values("data-view"), views);
}
