//! Numbers of 16 bit in the file, of 32 bit in the network.

use burn::tensor::DType;
use burn_store::{ModuleAdapter, TensorSnapshot, TensorSnapshotError};
use std::rc::Rc;

/// How numbers are stored in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    F32,
    /// Half the size; rounds each weight to 11 significant bits.
    F16,
}

/// What is said of a tensor that holds infinities, or no numbers at all.
pub(super) const NOT_FINITE: &str = "numbers that are not finite";

/// Converts every float tensor on its way into or out of a file. (The store's own half-precision adapter knows Burn's
/// layers only, and flips whatever it meets.)
#[derive(Clone, Debug)]
pub(super) struct Convert {
    pub to: Precision,
    /// Whether what is not finite is an error. (The writer of safetensors knows no errors: it panics.)
    pub strict: bool,
}

impl ModuleAdapter for Convert {
    fn adapt(&self, snapshot: &TensorSnapshot) -> TensorSnapshot {
        let wanted = match self.to {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
        };
        let (data, strict) = (snapshot.clone_data_fn(), self.strict);
        TensorSnapshot::from_closure(
            Rc::new(move || {
                let data = data()?;
                if !data.dtype.is_float() {
                    // The network's tensors are floats, and Burn panics over others.
                    return Err(TensorSnapshotError::DataError(format!(
                        "numbers of the kind {:?}",
                        data.dtype
                    )));
                }
                // Burn panics over this, too.
                if data.bytes.len() != data.shape.num_elements() * data.dtype.size() {
                    return Err(TensorSnapshotError::DataError(
                        "a tensor that is not as long as it says".into(),
                    ));
                }
                let data = data.convert_dtype(wanted);
                // Or every image would have no cells, without a word.
                if !strict || data.iter::<f32>().all(f32::is_finite) {
                    Ok(data)
                } else {
                    Err(TensorSnapshotError::DataError(NOT_FINITE.into()))
                }
            }),
            wanted,
            snapshot.shape.clone(),
            snapshot.path_stack.clone().unwrap_or_default(),
            snapshot.container_stack.clone().unwrap_or_default(),
            snapshot.tensor_id.unwrap_or_default(),
        )
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
