//! The sample smears served with the page: synthetic, with their exact truth masks.

use super::{act, dom, files};
use crate::js::View;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Event;

/// An entry of `assets/samples/index.json`: `[{"title", "image", "truth"}]`.
#[derive(Clone)]
struct Sample {
    title: String,
    image: String,
    truth: String,
}

async fn listed() -> Result<Vec<Sample>, String> {
    let index = files::fetch("assets/samples/index.json").await?;
    let index = index.json().map_err(|error| dom::reason(&error))?;
    let index: JsValue = JsFuture::from(index).await.map_err(|error| dom::reason(&error))?;
    let read = |entry: JsValue| {
        let view = View(&entry);
        Sample { title: view.text("title"), image: view.text("image"), truth: view.text("truth") }
    };
    Ok(js_sys::Array::from(&index).iter().map(read).filter(|sample| !sample.image.is_empty()).collect())
}

/// Shows the samples on the empty page, if there are any.
pub fn show() {
    spawn_local(async {
        let samples = listed().await.unwrap_or_default();
        dom::show("samples", !samples.is_empty());
        for sample in samples {
            let button = dom::make("button", "", "");
            dom::set(&button, "type", "button");
            dom::set(&button, "data-testid", "sample");
            dom::set(&button, "title", "A synthetic smear with its exact truth mask");
            let picture = dom::make("img", "", "");
            dom::set(&picture, "src", &format!("assets/samples/{}", sample.image));
            dom::set(&picture, "alt", "");
            dom::append(&button, &picture);
            dom::append(&button, &dom::make("span", "", &sample.title));
            dom::append(&dom::element("sample-buttons"), &button);
            let pressed = button.clone();
            dom::on(&button, "click", move |_: Event| {
                let (sample, pressed) = (sample.clone(), pressed.clone());
                // Disabled while the files load, so that a double click does not add the sample twice.
                dom::set(&pressed, "disabled", "");
                spawn_local(async move {
                    take(sample).await;
                    let _ = pressed.remove_attribute("disabled");
                });
            });
        }
    });
}

async fn take(sample: Sample) {
    let image = files::fetch_blob(&format!("assets/samples/{}", sample.image)).await;
    let truth = match sample.truth.as_str() {
        "" => None,
        truth => files::fetch_blob(&format!("assets/samples/{truth}")).await.ok(),
    };
    act(move |app| match image {
        Ok(image) => {
            let id = app.enqueue(sample.image, String::new(), image);
            if let Some(item) = app.item_mut(id) {
                item.sample = true;
            }
            if let Some(truth) = truth {
                app.set_truth(id, sample.truth, truth);
            }
            app.pump();
        }
        Err(problem) => app.complain(&problem),
    });
}
