//! Building and reading plain JavaScript objects without a serialisation framework; there are only a few dozen fields.

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// Builds an object field by field.
pub struct Build(Object);

impl Build {
    pub fn new(kind: &str) -> Self {
        Self(Object::new()).with("kind", kind)
    }

    pub fn with(self, key: &str, value: impl Into<JsValue>) -> Self {
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&self.0, &key.into(), &value.into());
        self
    }

    /// Adds the field only if there is a value.
    pub fn maybe(self, key: &str, value: Option<impl Into<JsValue>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub fn done(self) -> JsValue {
        self.0.into()
    }
}

/// Reads an object; a missing field reads as empty, zero, `false` or `None`.
pub struct View<'a>(pub &'a JsValue);

impl View<'_> {
    pub fn value(&self, key: &str) -> JsValue {
        Reflect::get(self.0, &key.into()).unwrap_or(JsValue::UNDEFINED)
    }

    pub fn text(&self, key: &str) -> String {
        self.value(key).as_string().unwrap_or_default()
    }

    pub fn number(&self, key: &str) -> f64 {
        self.value(key).as_f64().unwrap_or_default()
    }

    pub fn maybe_number(&self, key: &str) -> Option<f64> {
        self.value(key).as_f64()
    }

    pub fn flag(&self, key: &str) -> bool {
        self.value(key).is_truthy()
    }

    /// The field as JavaScript type `T`, if it is one.
    pub fn typed<T: JsCast>(&self, key: &str) -> Option<T> {
        self.value(key).dyn_into().ok()
    }

    pub fn numbers(&self, key: &str) -> Vec<f64> {
        self.typed::<js_sys::Float64Array>(key).map(|array| array.to_vec()).unwrap_or_default()
    }

    pub fn texts(&self, key: &str) -> Vec<String> {
        self.typed::<js_sys::Array>(key)
            .map(|array| array.iter().filter_map(|text| text.as_string()).collect())
            .unwrap_or_default()
    }
}

/// A panic's message, for the user; the console gets its place as well.
pub fn told_of(panic: &std::panic::PanicHookInfo) -> String {
    let text = panic.payload_as_str().unwrap_or_default();
    let place =
        panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    web_sys::console::error_1(&format!("{text}{place}").into());
    text.lines().next().unwrap_or_default().into()
}
