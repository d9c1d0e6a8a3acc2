//! Agreement of a predicted mask with the truth.
