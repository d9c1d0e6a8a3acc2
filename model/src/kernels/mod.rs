//! The CPU kernels: 3x3 convolution forward and backward, 2x2 pooling and unpooling, batch normalisation.
//!
//! They work on plain slices in NCHW order, without a tensor library; the CPU back end (`backend::flex`) is a thin
//! shell around them. All 12 layers of the network are one operation (3x3, stride 1, padding 1), so one forward and one
//! backward kernel suffice.

pub mod conv;
pub mod conv_backward;
pub mod norm;
mod padded;
pub mod pool;
mod simd;
mod strip;
mod winograd;

/// Shape of a batch of feature maps: images, channels, height, width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
}

impl Shape {
    /// Elements of one image: channels × height × width.
    pub fn image(&self) -> usize {
        self.c * self.plane()
    }

    /// Elements of one channel of one image.
    pub fn plane(&self) -> usize {
        self.h * self.w
    }

    /// Total number of elements.
    pub fn len(&self) -> usize {
        self.n * self.image()
    }
}
