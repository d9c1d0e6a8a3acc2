//! Conversion between the precision of the file and the network's 32 bits.

use burn::tensor::DType;
use burn_store::{ModuleAdapter, TensorSnapshot, TensorSnapshotError};
use std::rc::Rc;

/// Precision of the numbers in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    F32,
    /// Half the size; rounds each weight to 11 significant bits.
    F16,
}

/// Error text for tensors that contain infinities or NaN.
pub(super) const NOT_FINITE: &str = "numbers that are not finite";

/// Converts every float tensor when it is written or read. (The store's own half-precision adapter only knows Burn's
/// layers, and toggles the precision of any tensor.)
#[derive(Clone, Debug)]
pub(super) struct Convert {
    pub to: Precision,
    /// Whether non-finite values are an error. (Not used when writing safetensors: that writer panics on errors.)
    pub strict: bool,
}

impl ModuleAdapter for Convert {
    fn adapt(&self, snapshot: &TensorSnapshot) -> TensorSnapshot {
        let wanted = match self.to {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
        };
        let (data, strict) = (snapshot.clone_data_fn(), self.strict);
        let mut converted = TensorSnapshot::from_closure(
            Rc::new(move || {
                let data = data()?;
                if !data.dtype.is_float() {
                    // The network's tensors are floats; Burn would panic on others.
                    return Err(TensorSnapshotError::DataError(format!(
                        "numbers of the kind {:?}",
                        data.dtype
                    )));
                }
                // Burn would panic on this too.
                if data.bytes.len() != data.shape.num_elements() * data.dtype.size() {
                    return Err(TensorSnapshotError::DataError(
                        "a tensor that is not as long as it says".into(),
                    ));
                }
                let data = data.convert_dtype(wanted);
                // Otherwise every image would silently have no cells.
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
        );
        // Drawn anew for every network that is loaded: files of the same weights would differ.
        converted.tensor_id = None;
        converted
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
