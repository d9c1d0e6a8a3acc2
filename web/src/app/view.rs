//! The canvas: the visible part of the picture, and drawing it.

use super::item::Item;
use super::tiles::Tiles;
use super::{App, act, dom};
use crate::message::{Layer, Request, Tile};
use std::f64::consts::TAU;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// Finest level of overlays: finer than image pixels, so that outlines stay thin when zoomed in.
const FINEST_OVERLAY: i32 = -3;

/// The canvas and the part of the picture that it shows.
pub struct View {
    pub canvas: HtmlCanvasElement,
    context: Option<CanvasRenderingContext2d>,
    pub tiles: Tiles,
    /// The displayed image, once the desk has opened it: id, width, height.
    pub image: Option<(u32, f64, f64)>,
    /// Canvas pixels per image pixel, and the canvas position of the image's top left corner.
    pub zoom: f64,
    pub left: f64,
    pub top: f64,
    /// Whether the zoom follows the size of the canvas, until the user zooms.
    pub fitted: bool,
    /// The overlay; none shows the bare picture.
    pub layer: Option<Layer>,
    /// Whether the overlay is hidden, while a key is held.
    pub peeking: bool,
    /// Version of the overlay; tiles of other versions are requested again.
    pub overlay_version: u32,
    asked: bool,
}

impl View {
    pub fn new() -> Self {
        let canvas: HtmlCanvasElement = dom::find("canvas");
        let context = canvas.get_context("2d").ok().flatten().and_then(|context| context.dyn_into().ok());
        Self {
            canvas,
            context,
            tiles: Tiles::default(),
            image: None,
            zoom: 1.0,
            left: 0.0,
            top: 0.0,
            fitted: true,
            layer: Some(Layer::Outline),
            peeking: false,
            overlay_version: 1,
            asked: false,
        }
    }

    /// Called when the displayed image is no longer valid.
    pub fn forget(&mut self) {
        self.image = None;
        self.fitted = true;
        self.tiles.clear();
    }

    /// Called when the desk has opened an image.
    pub fn opened(&mut self, id: u32, width: u32, height: u32) {
        self.tiles.clear();
        let size = (id, f64::from(width), f64::from(height));
        self.fitted |= self.image != Some(size);
        self.image = Some(size);
        self.overlay_version += 1;
    }

    pub fn overlay_changed(&mut self) {
        self.overlay_version += 1;
    }

    pub fn pixel_ratio() -> f64 {
        dom::window().device_pixel_ratio().max(1.0)
    }

    /// Matches the canvas resolution to the screen; returns its size.
    fn resize(&self) -> (f64, f64) {
        let ratio = Self::pixel_ratio();
        let width = (f64::from(self.canvas.client_width()) * ratio).round().max(1.0);
        let height = (f64::from(self.canvas.client_height()) * ratio).round().max(1.0);
        if f64::from(self.canvas.width()) != width || f64::from(self.canvas.height()) != height {
            self.canvas.set_width(width as u32);
            self.canvas.set_height(height as u32);
        }
        (width, height)
    }

    pub fn fit(&mut self) {
        let (width, height) = self.resize();
        if let Some((_, image_width, image_height)) = self.image {
            self.zoom = (width / image_width).min(height / image_height).min(16.0);
            self.left = (width - image_width * self.zoom) / 2.0;
            self.top = (height - image_height * self.zoom) / 2.0;
            self.fitted = true;
        }
    }

    /// Zooms about a point of the canvas.
    pub fn zoom_by(&mut self, factor: f64, x: f64, y: f64) {
        let Some((_, width, height)) = self.image else { return };
        let smallest = (64.0 / width.max(height)).min(0.5);
        let zoom = (self.zoom * factor).clamp(smallest, 40.0);
        self.left = x - (x - self.left) * zoom / self.zoom;
        self.top = y - (y - self.top) * zoom / self.zoom;
        self.zoom = zoom;
        self.fitted = false;
        self.keep_in_sight();
    }

    pub fn zoom_about_middle(&mut self, factor: f64) {
        self.zoom_by(factor, f64::from(self.canvas.width()) / 2.0, f64::from(self.canvas.height()) / 2.0);
    }

    pub fn move_by(&mut self, x: f64, y: f64) {
        self.left += x;
        self.top += y;
        self.fitted = false;
        self.keep_in_sight();
    }

    /// Centres a point of the image, zoomed in enough to see a cell.
    pub fn show_point(&mut self, x: f64, y: f64, diameter: f64) {
        let (width, height) = (f64::from(self.canvas.width()), f64::from(self.canvas.height()));
        if diameter * self.zoom < 40.0 {
            self.zoom = (80.0 / diameter.max(1.0)).min(8.0);
        }
        self.left = width / 2.0 - x * self.zoom;
        self.top = height / 2.0 - y * self.zoom;
        self.fitted = false;
        self.keep_in_sight();
    }

    /// Keeps part of the image within the canvas.
    fn keep_in_sight(&mut self) {
        let Some((_, width, height)) = self.image else { return };
        let (across, down) = (f64::from(self.canvas.width()), f64::from(self.canvas.height()));
        self.left = self.left.clamp(across * 0.2 - width * self.zoom, across * 0.8);
        self.top = self.top.clamp(down * 0.2 - height * self.zoom, down * 0.8);
    }

    /// Converts canvas pixels to image coordinates.
    pub fn to_image(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.left) / self.zoom, (y - self.top) / self.zoom)
    }

    pub fn to_canvas(&self, x: f64, y: f64) -> (f64, f64) {
        (x * self.zoom + self.left, y * self.zoom + self.top)
    }

    /// Draws one layer from the available tiles; returns requests for missing ones.
    fn draw_layer(&mut self, layer: Layer, finest: i32, version: u32) -> Vec<Request> {
        let (Some((id, width, height)), Some(context)) = (self.image, self.context.clone()) else {
            return Vec::new();
        };
        let side = f64::from(Tile::SIDE);
        let coarsest = ((width.max(height) / side).log2().ceil() as i32).max(0);
        let level = ((1.0 / self.zoom).log2().floor() as i32).clamp(finest, coarsest);
        let step = side * f64::from(level).exp2();
        let (x0, y0) = self.to_image(0.0, 0.0);
        let (x1, y1) = self.to_image(f64::from(self.canvas.width()), f64::from(self.canvas.height()));
        let span = |low: f64, high: f64, end: f64| {
            let last = ((end / step).ceil() - 1.0).max(0.0);
            ((low / step).floor().clamp(0.0, last) as u32, (high / step).floor().clamp(0.0, last) as u32)
        };
        let (columns, rows) = (span(x0, x1, width), span(y0, y1, height));
        let mut asks = Vec::new();
        for row in rows.0..=rows.1 {
            for column in columns.0..=columns.1 {
                let tile = Tile { id, layer, level, column, row };
                if self.tiles.wants(tile, version) {
                    asks.push(Request::Tile { tile, version });
                }
                self.draw_tile(&context, tile, coarsest, (width, height));
            }
        }
        asks
    }

    /// Draws one square of the image, from a coarser tile if its own is not available.
    fn draw_tile(&mut self, context: &CanvasRenderingContext2d, tile: Tile, coarsest: i32, size: (f64, f64)) {
        let side = f64::from(Tile::SIDE);
        let step = side * f64::from(tile.level).exp2();
        let (x, y) = (f64::from(tile.column) * step, f64::from(tile.row) * step);
        let (w, h) = (step.min(size.0 - x), step.min(size.1 - y));
        // Rounded to whole canvas pixels, so that neighbours neither overlap nor leave gaps.
        let (left, top) = self.to_canvas(x, y);
        let (right, bottom) = self.to_canvas(x + w, y + h);
        let (left, top, right, bottom) = (left.round(), top.round(), right.round(), bottom.round());
        let mut from = tile;
        while from.level <= coarsest {
            let scale = f64::from(from.level).exp2();
            let origin = (f64::from(from.column) * side * scale, f64::from(from.row) * side * scale);
            if let Some(bitmap) = self.tiles.get(from) {
                let _ = context.draw_image_with_image_bitmap_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
                    bitmap,
                    (x - origin.0) / scale,
                    (y - origin.1) / scale,
                    w / scale,
                    h / scale,
                    left,
                    top,
                    right - left,
                    bottom - top,
                );
                return;
            }
            from = Tile { level: from.level + 1, column: from.column / 2, row: from.row / 2, ..from };
        }
    }
}

impl App {
    /// Schedules drawing in the next frame.
    pub fn draw_soon(&mut self) {
        if !self.view.asked {
            self.view.asked = true;
            dom::next_frame(|| act(App::draw));
        }
    }

    pub fn draw(&mut self) {
        self.view.asked = false;
        let before = (self.view.canvas.width(), self.view.canvas.height());
        let (width, height) = self.view.resize();
        let Some(context) = self.view.context.clone() else { return };
        context.clear_rect(0.0, 0.0, width, height);
        if self.view.image.is_none() {
            return;
        }
        if self.view.fitted {
            self.view.fit();
        } else if before != (self.view.canvas.width(), self.view.canvas.height()) {
            // Keep the centre in place.
            self.view.left += (width - f64::from(before.0)) / 2.0;
            self.view.top += (height - f64::from(before.1)) / 2.0;
            self.view.keep_in_sight();
        }
        // If everything is visible there is nothing to pan, and dragging a finger scrolls the page.
        let still = self.view.fitted && self.pen.tool.is_none() && !self.ruler.active;
        let _ = self.view.canvas.class_list().toggle_with_force("still", still);
        dom::set_text("zoom-level", &format!("{} %", super::figures::short(self.view.zoom * 100.0)));
        context.set_image_smoothing_enabled(self.view.zoom < 3.0);
        self.view.tiles.begin_drawing();
        let mut asks = self.view.draw_layer(Layer::Image, 0, 0);
        let measured = self.active_item().is_some_and(Item::has_result);
        if let Some(layer) = self.view.layer.filter(|_| measured && !self.view.peeking) {
            context.set_image_smoothing_enabled(true);
            context.set_global_alpha(dom::input("opacity").value_as_number());
            let version = self.view.overlay_version;
            asks.extend(self.view.draw_layer(layer, FINEST_OVERLAY, version));
            context.set_global_alpha(1.0);
        }
        for ask in asks {
            self.ask_desk(ask);
        }
        self.ring(&context);
        self.ruler.draw(&context, &self.view);
        self.pen.draw(&context, &self.view);
    }

    /// Called when the desk could not make a tile: it is requested again after a while, if it is still in view.
    pub fn tile_failed(&mut self, tile: Tile, version: u32) {
        // At most one retry is scheduled, whatever the number of tiles, so that the desk is not flooded.
        if self.view.tiles.fail(tile, version) {
            dom::after(1000, || {
                act(|app| {
                    app.view.tiles.retry();
                    app.draw_soon();
                });
            });
        }
    }

    /// Draws a ring around the cell that is pointed at.
    fn ring(&self, context: &CanvasRenderingContext2d) {
        let Some(row) = self.row_pointed_at() else { return };
        let (x, y) = self.view.to_canvas(row.x, row.y);
        let radius = row.diameter / 2.0 * self.view.zoom + 5.0 * View::pixel_ratio();
        for (width, colour) in [(4.0, "rgb(0 0 0 / .55)"), (2.0, "#ffffff")] {
            context.begin_path();
            let _ = context.arc(x, y, radius, 0.0, TAU);
            context.set_line_width(width * View::pixel_ratio());
            context.set_stroke_style_str(colour);
            context.stroke();
        }
    }
}

impl Default for View {
    fn default() -> Self {
        Self::new()
    }
}
