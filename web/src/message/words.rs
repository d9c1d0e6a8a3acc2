//! The words that messages consist of besides numbers and data: what a tile shows, what is saved, what failed, what
//! computes.

use wasm_bindgen::JsValue;

/// Defines an enum whose values have names, by which messages, and the page's buttons and fields, call them.
macro_rules! words {
    ($(#[$about:meta])* $Word:ident { $($(#[$of:meta])* $Value:ident = $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Word {
            $($(#[$of])* $Value,)+
        }

        impl $Word {
            pub const ALL: &[Self] = &[$(Self::$Value),+];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Value => $name,)+
                }
            }

            /// The value of this name, if it is one.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl From<$Word> for JsValue {
            fn from(value: $Word) -> Self {
                value.name().into()
            }
        }
    };
}

words! {
    /// What a tile shows: the picture, or a kind of overlay.
    Layer {
        Image = "image",
        Outline = "outline",
        Fill = "fill",
        Probability = "probability",
        Difference = "difference",
    }
}

words! {
    /// A kind of file that is made of an image, in the order in which they appear in a zip.
    Product {
        Mask = "mask",
        Labels = "labels",
        Overlay = "overlay",
        Csv = "csv",
        Geojson = "geojson",
        Roi = "roi",
    }
}

words! {
    /// What a worker was doing when it failed.
    Task {
        Decode = "decode",
        Segment = "segment",
        Time = "time",
        Open = "open",
        Measure = "measure",
        /// Reading a truth mask; the image is measured without it.
        Truth = "truth",
        Export = "export",
        Pack = "pack",
    }
}

words! {
    /// What computes the network.
    Backend {
        WebGpu = "webgpu",
        Cpu = "cpu",
    }
}
