//! Pixel grids stored row by row.

/// Indices of the pixels to the left, right, above and below a pixel in a grid of `len` pixels and rows of `width`;
/// `None` beyond the grid.
pub fn beside(at: usize, width: usize, len: usize) -> [Option<usize>; 4] {
    let x = at % width;
    [
        (x > 0).then(|| at - 1),
        (x + 1 < width).then_some(at + 1),
        at.checked_sub(width),
        (at + width < len).then_some(at + width),
    ]
}
