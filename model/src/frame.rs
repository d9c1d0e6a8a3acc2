//! Finds the picture inside a frame. Screenshots, figures and slides have uniformly coloured borders; the network would
//! mistake the brightness step at such a border for the outline of a cell.

use crate::light::Light;
use crate::segment::UNLIT;
use crate::{GrayImage, RgbImage};
use image::imageops::{crop_imm, replace};

/// Maximum difference of frame pixels from the frame's colour, in grey levels of any channel: JPEG artefacts.
const FLAT: u8 = 6;
/// Share of a line's pixels that may differ by more (ringing).
const RINGING: f32 = 0.01;
/// Minimum difference between the frame's colour and the background, in grey levels of some channel. The empty margins
/// of an overexposed picture differ less.
const APART: f32 = 8.0;
/// Number of picture lines next to the frame that are cut off as well, because resampling may have mixed them with it.
const MIXED: u32 = 2;
/// Minimum side of the remaining picture, before the mixed lines are cut off.
const LEAST: u32 = 16;

/// Position of the picture within an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    size: (u32, u32),
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

/// One of the four sides.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Top,
    Right,
    Bottom,
}

const SIDES: [Side; 4] = [Side::Left, Side::Top, Side::Right, Side::Bottom];

impl Frame {
    /// Finds the picture inside an image's frame. `None` if there is no frame.
    pub fn find(image: &RgbImage) -> Option<Self> {
        let (right, bottom) = image.dimensions();
        let whole = Self { size: (right, bottom), left: 0, top: 0, right, bottom };
        let mut inner = whole;
        let mut colours = [None; 4];
        // Repeated, because removing bars on the left and right may expose others above and below.
        loop {
            let before = inner;
            for side in SIDES {
                inner.peel(image, side, &mut colours[side as usize]);
            }
            if inner == before {
                break;
            }
        }
        if inner == whole || inner.width() < LEAST || inner.height() < LEAST {
            return None;
        }
        let background = Light::of(&inner.picture(image)).background;
        let mut found = whole;
        for side in SIDES {
            if colours[side as usize].is_some_and(|colour| {
                // A picture starts abruptly; a cell that covers one side of a small image fades out gradually.
                let line = inner.inside(side);
                let sets_in = differing(image, line, colour).nth(length(line) / 2).is_some();
                let apart = |channel: usize| (f32::from(colour[channel]) - background[channel]).abs() > APART;
                sets_in && (0..3).any(apart)
            }) {
                found.cut(side, &inner);
            }
        }
        (found != whole).then_some(found)
    }

    fn width(&self) -> u32 {
        self.right - self.left
    }

    fn height(&self) -> u32 {
        self.bottom - self.top
    }

    /// Removes lines of uniform colour from one side. `colour` is that of the first line removed, if any.
    fn peel(&mut self, image: &RgbImage, side: Side, colour: &mut Option<[u8; 3]>) {
        while self.width() > 0 && self.height() > 0 {
            let line = self.line(side);
            let [x, y, ..] = line;
            let wanted = colour.unwrap_or(image.get_pixel(x, y).0);
            if !flat(image, line, wanted) {
                break;
            }
            *colour = Some(wanted);
            match side {
                Side::Left => self.left += 1,
                Side::Top => self.top += 1,
                Side::Right => self.right -= 1,
                Side::Bottom => self.bottom -= 1,
            }
        }
    }

    /// The outermost line on a side, as x, y, width and height.
    fn line(&self, side: Side) -> [u32; 4] {
        match side {
            Side::Left => [self.left, self.top, 1, self.height()],
            Side::Top => [self.left, self.top, self.width(), 1],
            Side::Right => [self.right - 1, self.top, 1, self.height()],
            Side::Bottom => [self.left, self.bottom - 1, self.width(), 1],
        }
    }

    /// The first line on a side that is not mixed with the frame.
    fn inside(&self, side: Side) -> [u32; 4] {
        let mut inner = *self;
        inner.cut(side, self);
        inner.line(side)
    }

    /// Moves a side to its position in `to`, plus the lines mixed with the frame.
    fn cut(&mut self, side: Side, to: &Self) {
        match side {
            Side::Left => self.left = to.left + MIXED,
            Side::Top => self.top = to.top + MIXED,
            Side::Right => self.right = to.right - MIXED,
            Side::Bottom => self.bottom = to.bottom - MIXED,
        }
    }

    /// Crops the image to the picture.
    pub fn picture(&self, image: &RgbImage) -> RgbImage {
        crop_imm(image, self.left, self.top, self.width(), self.height()).to_image()
    }

    /// Extends the picture's probability map to the whole image, with the frame marked as unlit.
    pub fn around(&self, probability: &GrayImage) -> GrayImage {
        let mut whole = GrayImage::from_pixel(self.size.0, self.size.1, image::Luma([UNLIT]));
        replace(&mut whole, probability, self.left.into(), self.top.into());
        whole
    }
}

fn length([_, _, width, height]: [u32; 4]) -> usize {
    (width * height) as usize
}

/// The pixels of a line that differ from a colour.
fn differing(
    image: &RgbImage,
    [x, y, width, height]: [u32; 4],
    colour: [u8; 3],
) -> impl Iterator<Item = [u8; 3]> {
    let pixels = (y..y + height).flat_map(move |y| (x..x + width).map(move |x| image.get_pixel(x, y).0));
    pixels.filter(move |pixel| (0..3).any(|channel| pixel[channel].abs_diff(colour[channel]) > FLAT))
}

/// Whether all but a few pixels of a line have this colour.
fn flat(image: &RgbImage, line: [u32; 4], colour: [u8; 3]) -> bool {
    let few = (RINGING * length(line) as f32) as usize;
    differing(image, line, colour).nth(few).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// A noisy background with dark stripes.
    fn picture(background: u8) -> RgbImage {
        RgbImage::from_fn(60, 40, |x, y| {
            let value = if (x / 6 + y / 9) % 3 == 0 { 120 } else { background };
            Rgb([value - 4 + ((x * 31 + y * 17) % 9) as u8; 3])
        })
    }

    /// The picture in a frame with different colours on the left and the right.
    fn framed(colours: [u8; 2], [left, top, right, bottom]: [u32; 4], background: u8) -> RgbImage {
        let mut image = RgbImage::from_fn(60 + left + right, 40 + top + bottom, |x, _| {
            Rgb([colours[usize::from(x > left + 30)]; 3])
        });
        replace(&mut image, &picture(background), left.into(), top.into());
        image
    }

    #[test]
    fn a_picture_is_found_in_its_frame() {
        for margins in [[20, 10, 20, 10], [1, 1, 1, 1], [30, 0, 5, 0], [0, 12, 0, 0], [100, 100, 100, 100]] {
            for colour in [255, 0, 90] {
                let image = framed([colour; 2], margins, 200);
                let frame = Frame::find(&image).expect("a frame");
                let inner = frame.picture(&image);
                let cut = |margin: u32| if margin > 0 { MIXED } else { 0 };
                let [left, top, right, bottom] = margins.map(cut);
                assert_eq!(
                    inner.dimensions(),
                    (60 - left - right, 40 - top - bottom),
                    "{margins:?}, {colour}"
                );
                assert_eq!(inner.get_pixel(0, 0), picture(200).get_pixel(left, top));
                let map =
                    frame.around(&GrayImage::from_pixel(inner.width(), inner.height(), image::Luma([9])));
                assert_eq!(map.dimensions(), image.dimensions());
                let inside = map.iter().filter(|value| **value == 9).count();
                assert_eq!(inside as u32, inner.width() * inner.height());
            }
        }
        // A frame with two colours.
        assert!(Frame::find(&framed([255, 0], [20, 0, 20, 0], 200)).is_some());
    }

    #[test]
    fn a_picture_without_a_frame_is_whole() {
        assert_eq!(Frame::find(&picture(200)), None);
        // A cell that covers one side of the image, and empty lines of the picture's own background.
        let cell = RgbImage::from_fn(60, 60, |x, y| {
            let edge = (f32::from(x as u16) - 30.0).hypot(f32::from(y as u16) + 100.0) - 140.0;
            Rgb([(150.0 + (edge * 20.0).clamp(-50.0, 70.0)) as u8; 3])
        });
        assert_eq!(Frame::find(&cell), None);
        assert_eq!(Frame::find(&framed([251; 2], [20, 10, 20, 10], 251)), None);
        for (width, height) in [(1, 1), (50, 40), (1, 300)] {
            assert_eq!(Frame::find(&RgbImage::from_pixel(width, height, Rgb([7; 3]))), None);
        }
        assert_eq!(Frame::find(&RgbImage::new(0, 0)), None);
    }
}
