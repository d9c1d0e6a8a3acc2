//! Turns absorbances into a picture: light, lens, sensor, file format.

use std::io::Cursor;

use image::{ImageFormat, RgbImage, codecs::jpeg::JpegEncoder};
use rand::Rng;

use super::{blur::blur, noise, slide::Slide, style::Style};

type Plane = Vec<f32>;

/// Photographs the slide.
pub fn picture(slide: &Slide, style: &Style, rng: &mut impl Rng) -> RgbImage {
    let (width, height) = (slide.width as usize, slide.height as usize);
    let mut planes = light(slide, style, rng);
    // A lens focuses one colour best.
    let focus = rng.random_range(-0.15..0.15);
    for (c, plane) in planes.iter_mut().enumerate() {
        let colour = 1.0 + focus * (c as f32 - 1.0);
        *plane = lens(plane, width, height, style, colour);
    }
    if style.chromatic_px.abs() > 0.05 {
        planes[0] = magnify(&planes[0], width, height, style.chromatic_px * 0.5);
        planes[2] = magnify(&planes[2], width, height, -style.chromatic_px * 0.5);
    }
    sensor(&mut planes, width, height, style, rng);
    let image = RgbImage::from_fn(slide.width, slide.height, |x, y| {
        let at = y as usize * width + x as usize;
        image::Rgb(std::array::from_fn(|c| (planes[c][at] * 255.0 + 0.5).clamp(0.0, 255.0) as u8))
    });
    style.jpeg.and_then(|quality| through_jpeg(&image, quality)).unwrap_or(image)
}

/// The light left behind the slide: uneven illumination, attenuated by Beer-Lambert.
fn light(slide: &Slide, style: &Style, rng: &mut impl Rng) -> [Plane; 3] {
    let (width, height) = (slide.width as f32, slide.height as f32);
    let (s, c) = rng.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let middle = (rng.random_range(-0.3..0.3_f32), rng.random_range(-0.3..0.3_f32));
    let seed: u32 = rng.random();
    let cloud = 3.0 * style.diameter_px;
    let half = 0.5 * width.max(height);
    let mut planes: [Plane; 3] = std::array::from_fn(|_| Vec::with_capacity(slide.density.len()));
    for (i, density) in slide.density.iter().enumerate() {
        let (x, y) = ((i % slide.width as usize) as f32, (i / slide.width as usize) as f32);
        let (u, v) = ((x - width / 2.0) / half, (y - height / 2.0) / half);
        let fall = ((u - middle.0).powi(2) + (v - middle.1).powi(2)) * 0.6;
        let mottle = noise::fractal(x / cloud, y / cloud, seed, 3);
        let lamp = 1.0 + style.gradient * (u * c + v * s) - style.vignette * fall + style.mottling * mottle;
        let film = style.film * (1.0 + 2.0 * noise::fractal(x / cloud, y / cloud, seed ^ 9, 4)).max(0.0);
        for channel in 0..3 {
            let dense = density[channel] + film * style.nucleus[channel];
            planes[channel].push(style.background[channel] * lamp * (-dense).exp());
        }
    }
    planes
}

/// Point spread, stray light, and the camera's sharpening with its bright fringe.
fn lens(plane: &[f32], width: usize, height: usize, style: &Style, colour: f32) -> Plane {
    let sharp = blur(plane, width, height, style.blur_px * colour);
    let wide = blur(&sharp, width, height, (style.diameter_px * 0.1).max(1.5));
    let near = blur(&sharp, width, height, (style.blur_px * 1.5).max(1.0));
    let stray = style.glow;
    (0..sharp.len())
        .map(|i| sharp[i] * (1.0 - stray) + wide[i] * stray + style.sharpen * (sharp[i] - near[i]))
        .collect()
}

/// Scales the plane about its centre so that the corners move outwards by `shift` px.
fn magnify(plane: &[f32], width: usize, height: usize, shift: f32) -> Plane {
    let (cx, cy) = ((width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0);
    let scale = 1.0 - shift / cx.hypot(cy).max(1.0);
    let (right, bottom) = ((width - 1) as f32, (height - 1) as f32);
    let mut out = Vec::with_capacity(plane.len());
    for y in 0..height {
        let v = (cy + (y as f32 - cy) * scale).clamp(0.0, bottom);
        let (y0, fy) = (v as usize, v.fract());
        let (above, below) = (y0 * width, (y0 + 1).min(height - 1) * width);
        for x in 0..width {
            let u = (cx + (x as f32 - cx) * scale).clamp(0.0, right);
            let (x0, fx) = (u as usize, u.fract());
            let x1 = (x0 + 1).min(width - 1);
            let top = plane[above + x0] * (1.0 - fx) + plane[above + x1] * fx;
            let low = plane[below + x0] * (1.0 - fx) + plane[below + x1] * fx;
            out.push(top * (1.0 - fy) + low * fy);
        }
    }
    out
}

/// Adds noise: partly shared by the channels and slightly blurred, as by a colour sensor's interpolation.
fn sensor(planes: &mut [Plane; 3], width: usize, height: usize, style: &Style, rng: &mut impl Rng) {
    let grain = |rng: &mut dyn rand::RngCore| -> Plane {
        let white: Plane = (0..width * height).map(|_| bell(rng.next_u32())).collect();
        blur(&white, width, height, 0.5)
    };
    let shared = grain(rng);
    for plane in planes.iter_mut() {
        let own = grain(rng);
        for i in 0..plane.len() {
            // Shot noise grows with the square root of the light. The factor 2 makes up for the blur.
            let size = style.noise * 2.0 * (0.3 + 0.7 * plane[i].clamp(0.0, 1.0)).sqrt();
            plane[i] += size * (0.8 * shared[i] + 0.5 * own[i]);
        }
    }
}

/// Approximately normal with mean 0 and variance 1: the sum of four bytes.
fn bell(bits: u32) -> f32 {
    let sum: u32 = bits.to_le_bytes().iter().map(|&b| u32::from(b)).sum();
    (sum as f32 - 510.0) / 147.8
}

fn through_jpeg(image: &RgbImage, quality: u8) -> Option<RgbImage> {
    let mut file = Vec::new();
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality)).ok()?;
    let back = image::ImageReader::with_format(Cursor::new(file), ImageFormat::Jpeg).decode().ok()?;
    Some(back.into_rgb8())
}
