//! Holds back messages from the page to its workers, so that a test can act in between.

use crate::page::Page;
use anyhow::Result;
use serde_json::json;
use xtask::paths;

/// Messages of the kind `hold` wait in `held` until `letGo(next)`, which then holds those of the kind `next`, if any.
const HOLD: &str = r#"
    const post = Worker.prototype.postMessage;
    window.held = [];
    window.hold = null;
    window.letGo = (next = null) => { window.hold = next; for (const go of window.held.splice(0)) go(); };
    Worker.prototype.postMessage = function (message, ...rest) {
        const go = () => post.call(this, message, ...rest);
        if (window.hold && message.kind === window.hold) window.held.push(go); else go();
    };
"#;

impl Page {
    /// Opens the page on the CPU, with messages of this kind held from the start; does not wait until it is ready.
    pub fn holding(kind: Option<&str>) -> Result<Self> {
        let page = Self::blank(&paths::site(), true, &[])?;
        let source = format!("{HOLD}window.hold = {};", json!(kind));
        page.session().chrome("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }))?;
        page.session().open(&format!("{}?backend=cpu", page.url()))?;
        Ok(page)
    }

    /// Holds messages of this kind from now on.
    pub fn hold(&self, kind: &str) -> Result<()> {
        self.js("window.hold = arguments[0]", json!([kind])).map(drop)
    }

    /// Waits until a message is held.
    pub fn until_held(&self) -> Result<()> {
        self.until("a message is held", "return window.held.length > 0", json!([])).map(drop)
    }

    /// Releases the held messages, and from now on holds those of another kind, or none.
    pub fn let_go(&self, next: Option<&str>) -> Result<()> {
        self.js("window.letGo(arguments[0])", json!([next])).map(drop)
    }
}
