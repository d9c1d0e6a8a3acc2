//! Cache of the picture tiles received from the desk.

use crate::message::Tile;
use std::collections::{HashMap, HashSet};
use web_sys::ImageBitmap;

/// Maximum number of tiles, of a megabyte each, unless the view itself consists of more.
const MOST: usize = 160;
/// Maximum number of tiles that are on their way.
const MOST_ASKED: usize = 32;

struct Piece {
    bitmap: ImageBitmap,
    version: u32,
    used: u64,
}

/// Tiles by position, replaced least recently used first.
#[derive(Default)]
pub struct Tiles {
    pieces: HashMap<Tile, Piece>,
    asked: HashSet<(Tile, u32)>,
    /// Tiles that the desk could not make, not requested again until [`Tiles::retry`].
    failed: HashSet<(Tile, u32)>,
    clock: u64,
    /// The time at which the last drawing began.
    drawn: u64,
}

impl Tiles {
    /// Called when drawing begins. What is drawn or arrives from then on is kept, however many there are: a tile in view
    /// that was dropped would be requested again at once, and push out another.
    pub fn begin_drawing(&mut self) {
        self.drawn = self.clock;
    }

    /// Stores a tile that has arrived, unless a newer version is already here.
    pub fn insert(&mut self, tile: Tile, version: u32, bitmap: ImageBitmap) {
        self.asked.remove(&(tile, version));
        self.clock += 1;
        if self.pieces.get(&tile).is_some_and(|old| old.version > version) {
            bitmap.close();
            return;
        }
        if let Some(old) = self.pieces.insert(tile, Piece { bitmap, version, used: self.clock }) {
            old.bitmap.close();
        }
        while self.pieces.len() > MOST {
            let unused = self.pieces.iter().filter(|(_, piece)| piece.used <= self.drawn);
            let oldest = unused.min_by_key(|(_, piece)| piece.used);
            let Some(oldest) = oldest.map(|(tile, _)| *tile) else { return };
            if let Some(piece) = self.pieces.remove(&oldest) {
                piece.bitmap.close();
            }
        }
    }

    /// A tile of any version: an old overlay is better than none while the new one is on its way.
    pub fn get(&mut self, tile: Tile) -> Option<&ImageBitmap> {
        self.clock += 1;
        let piece = self.pieces.get_mut(&tile)?;
        piece.used = self.clock;
        Some(&piece.bitmap)
    }

    /// Whether this version should be requested, i.e. is neither here nor on its way and has not just failed; if so,
    /// notes it as requested.
    pub fn wants(&mut self, tile: Tile, version: u32) -> bool {
        let here = self.pieces.get(&tile).is_some_and(|piece| piece.version == version);
        if here || self.asked.len() >= MOST_ASKED {
            return false;
        }
        let request = (tile, version);
        !self.failed.contains(&request) && self.asked.insert(request)
    }

    /// Notes that the desk could not make a tile; returns whether it is the first since the last [`Tiles::retry`].
    pub fn fail(&mut self, tile: Tile, version: u32) -> bool {
        let request = (tile, version);
        self.asked.remove(&request);
        let first = self.failed.is_empty();
        self.failed.insert(request);
        first
    }

    /// Lets the tiles that failed be requested again.
    pub fn retry(&mut self) {
        self.failed.clear();
    }

    /// Called when the worker that was asked is gone.
    pub fn forget_asked(&mut self) {
        self.asked.clear();
    }

    pub fn clear(&mut self) {
        for (_, piece) in self.pieces.drain() {
            piece.bitmap.close();
        }
        self.asked.clear();
        self.failed.clear();
    }
}
