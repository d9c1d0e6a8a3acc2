//! Makes every part of a split region connected.

use super::crop::Crop;
use super::split::OUTSIDE;
use std::collections::BTreeMap;

/// A 4-connected component of one part.
struct Piece {
    part: u32,
    /// Range of its pixels in the list of all pixels.
    pixels: std::ops::Range<usize>,
    /// Whether it is the largest piece of its part, or has been reassigned.
    settled: bool,
}

/// Reassigns every piece that is not connected to the largest piece of its part to the part with which it shares the
/// longest border. Such pieces arise where three hills meet in a point and two of them were merged without a common
/// side.
pub fn reconnect(crop: &Crop, parts: &mut [u32], count: usize) {
    let (mut pieces, pixels, of_pixel) = pieces(crop, parts);
    if pieces.len() == count {
        return;
    }
    let mut largest: Vec<Option<usize>> = vec![None; count];
    for (at, piece) in pieces.iter().enumerate() {
        let best = &mut largest[piece.part as usize];
        if best.is_none_or(|best| pieces[best].pixels.len() < piece.pixels.len()) {
            *best = Some(at);
        }
    }
    largest.into_iter().flatten().for_each(|at| pieces[at].settled = true);
    let borders = crop.borders(&of_pixel);
    // A piece surrounded by unsettled ones must wait for them, hence several rounds.
    loop {
        let before = pieces.iter().filter(|piece| piece.settled).count();
        for at in 0..pieces.len() {
            if pieces[at].settled {
                continue;
            }
            let mut seams = BTreeMap::<u32, u32>::new();
            for (&other, length) in borders.get(&(at as u32)).into_iter().flatten() {
                let other = &pieces[other as usize];
                if other.settled {
                    *seams.entry(other.part).or_default() += length;
                }
            }
            if let Some((part, _)) = seams.into_iter().max_by_key(|&(part, length)| (length, part)) {
                (pieces[at].part, pieces[at].settled) = (part, true);
                pixels[pieces[at].pixels.clone()].iter().for_each(|&pixel| parts[pixel] = part);
            }
        }
        if pieces.iter().filter(|piece| piece.settled).count() == before {
            return;
        }
    }
}

/// All pieces, their pixels piece by piece, and the piece index of each pixel of the crop.
fn pieces(crop: &Crop, parts: &[u32]) -> (Vec<Piece>, Vec<usize>, Vec<u32>) {
    let (mut pieces, mut pixels) = (Vec::new(), Vec::new());
    let mut of_pixel = vec![OUTSIDE; parts.len()];
    for first in (0..parts.len()).filter(|&at| parts[at] != OUTSIDE) {
        if of_pixel[first] != OUTSIDE {
            continue;
        }
        let (part, begin) = (parts[first], pixels.len());
        let number = pieces.len() as u32;
        of_pixel[first] = number;
        pixels.push(first);
        let mut next = begin;
        while let Some(&at) = pixels.get(next) {
            next += 1;
            for other in crop.around(at).into_iter().flatten() {
                if parts[other] == part && of_pixel[other] == OUTSIDE {
                    of_pixel[other] = number;
                    pixels.push(other);
                }
            }
        }
        pieces.push(Piece { part, pixels: begin..pixels.len(), settled: false });
    }
    (pieces, pixels, of_pixel)
}

#[cfg(test)]
mod tests {
    use super::super::field_of_view::FieldOfView;
    use super::super::regions::{Neighbours, regions};
    use super::*;

    #[test]
    fn loose_pieces_go_to_their_neighbours() {
        // Row 2 has a detached piece of part 1 on the left and one of part 0 on the right.
        let rows = ["000111", "000111", "100101", "000111"];
        let numbers = |rows: [&str; 4]| -> Vec<u32> {
            rows.iter().flat_map(|row| row.bytes().map(|byte| u32::from(byte - b'0'))).collect()
        };
        let mut parts = numbers(rows);
        let all = regions(6, 4, Neighbours::Four, |_| true);
        let crop = Crop::of(&all[0], &FieldOfView::whole(6, 4));
        reconnect(&crop, &mut parts, 2);
        assert_eq!(parts, numbers(["000111"; 4]));
        reconnect(&crop, &mut parts, 2);
        assert_eq!(parts, numbers(["000111"; 4]));
    }
}
