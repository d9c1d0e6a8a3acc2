use super::*;
use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};

fn config() -> NetworkConfig {
    NetworkConfig { widths: [4, 6, 8], ..NetworkConfig::default() }
}

/// Output of a network for a fixed noise image.
fn answer(network: &Network<Flex>) -> TensorData {
    let values: Vec<f32> = (0..3 * 16 * 16).map(|index| ((index * 37 % 101) as f32 - 50.0) / 50.0).collect();
    let image =
        Tensor::<Flex, 1>::from_floats(values.as_slice(), &Default::default()).reshape([1, 3, 16, 16]);
    network.forward(image).into_data()
}

fn message(bytes: &[u8]) -> String {
    match load::<Flex>(bytes, &Default::default()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

fn tensors(file: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let file = safetensors::SafeTensors::deserialize(file).expect("a safetensors file");
    file.iter().map(|(name, view)| (name.to_string(), view.data().to_vec())).collect()
}

#[test]
fn files_of_both_formats_and_precisions_give_the_network_back() -> Result<(), Error> {
    let network = config().init::<Flex>(&Default::default());
    let truth = answer(&network);
    for precision in [Precision::F32, Precision::F16] {
        let files = [
            safetensors_bytes(&network, &config(), precision)?,
            burnpack_bytes(&network, &config(), precision)?,
        ];
        for bytes in files {
            let (loaded, loaded_config) = load::<Flex>(&bytes, &Default::default())?;
            assert_eq!(loaded_config, config());
            match precision {
                Precision::F32 => answer(&loaded).assert_eq(&truth, true),
                // Answers are not compared: where two values of a pooling window nearly tie, rounding may change which
                // one is the maximum.
                Precision::F16 => {
                    let again = safetensors_bytes(&loaded, &config(), precision)?;
                    let once = safetensors_bytes(&network, &config(), precision)?;
                    assert!(tensors(&again) == tensors(&once), "rounded twice or not at all");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_same_network_gives_the_same_file() -> Result<(), Error> {
    let network = config().init::<Flex>(&Default::default());
    for save in [safetensors_bytes::<Flex> as Save, burnpack_bytes::<Flex>] {
        let once = save(&network, &config(), Precision::F32)?;
        for _ in 0..4 {
            let (loaded, config) = load::<Flex>(&once, &Default::default())?;
            assert!(save(&loaded, &config, Precision::F32)? == once);
        }
    }
    Ok(())
}

#[test]
fn a_fingerprint_tells_networks_apart_and_not_files() -> Result<(), Error> {
    let network = config().init::<Flex>(&Default::default());
    let file = to_safetensors(&network, &config())?;
    let own = fingerprint(&file)?;
    assert_eq!(own, fingerprint(&burnpack_bytes(&network, &config(), Precision::F32)?)?);
    // Rounding changes it; exporting rounded weights again, in either precision, does not.
    let rounded = safetensors_bytes(&network, &config(), Precision::F16)?;
    assert_ne!(own, fingerprint(&rounded)?);
    let (again, _) = load::<Flex>(&rounded, &Default::default())?;
    for precision in [Precision::F16, Precision::F32] {
        assert_eq!(fingerprint(&safetensors_bytes(&again, &config(), precision)?)?, fingerprint(&rounded)?);
    }
    // One bit of one weight, and one number of the configuration.
    let mut other = file.clone();
    *other.last_mut().expect("a file") ^= 1;
    assert_ne!(own, fingerprint(&other)?);
    let larger = NetworkConfig { working_diameter: 35.0, ..config() };
    assert_ne!(own, fingerprint(&to_safetensors(&network, &larger)?)?);
    Ok(())
}

#[test]
fn fingerprints_stay_as_they_were_written_down() -> Result<(), Error> {
    let config = config().folded();
    let zeros = config.blank::<Flex>(&Default::default());
    assert_eq!(fingerprint(&to_safetensors(&zeros, &config)?)?, "fedba10d");
    assert!(fingerprint(b"no weights at all").is_err());
    Ok(())
}

#[test]
fn weights_that_are_no_numbers_are_refused() -> Result<(), Error> {
    let mut bytes = to_safetensors(&config().init::<Flex>(&Default::default()), &config())?;
    let end = bytes.len();
    for wrong in [f32::NAN, f32::INFINITY] {
        bytes[end - 4..].copy_from_slice(&wrong.to_le_bytes());
        assert!(message(&bytes).contains(NOT_FINITE), "{wrong}: {}", message(&bytes));
    }
    // A number beyond the range of 16 bits.
    bytes[end - 4..].copy_from_slice(&1e5f32.to_le_bytes());
    assert_eq!(message(&bytes), "");
    let (network, config) = load::<Flex>(&bytes, &Default::default())?;
    for (save, name) in
        [(safetensors_bytes::<Flex> as Save, "safetensors"), (burnpack_bytes::<Flex>, "burnpack")]
    {
        assert!(save(&network, &config, Precision::F32).is_ok(), "{name}");
        let refused = save(&network, &config, Precision::F16);
        assert!(refused.is_err_and(|error| error.to_string().contains(NOT_FINITE)), "{name}");
    }
    Ok(())
}

type Save = fn(&Network<Flex>, &NetworkConfig, Precision) -> Result<Vec<u8>, Error>;

#[test]
fn half_precision_is_half_the_size() -> Result<(), Error> {
    let config = NetworkConfig::default();
    let network = config.init::<Flex>(&Default::default());
    let size = |precision| safetensors_bytes(&network, &config, precision).map(|bytes| bytes.len() as f64);
    let share = size(Precision::F16)? / size(Precision::F32)?;
    assert!((0.5..0.51).contains(&share), "{share}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_told_in_one_short_line() -> Result<(), Error> {
    let network = config().init::<Flex>(&Default::default());
    let other = NetworkConfig { widths: [4, 6, 10], ..config() };
    let files = [
        safetensors_bytes(&network, &other, Precision::F32)?,
        burnpack_bytes(&network, &other, Precision::F32)?,
        safetensors_bytes(&network, &config(), Precision::F32)?[..3000].to_vec(),
        burnpack_bytes(&network, &config(), Precision::F32)?[..3000].to_vec(),
        b"no weights at all".to_vec(),
        Vec::new(),
    ];
    for bytes in files {
        let message = message(&bytes);
        assert!(!message.is_empty() && message.len() < 250 && !message.contains('\n'), "{message}");
    }
    Ok(())
}

#[test]
fn impossible_configurations_are_told() -> Result<(), Error> {
    let network = config().init::<Flex>(&Default::default());
    let said = |config: NetworkConfig| Ok(message(&safetensors_bytes(&network, &config, Precision::F32)?));
    let dropout = NetworkConfig { dropout: 2.0, ..config() };
    let diameter = NetworkConfig { working_diameter: 1e9, ..config() };
    let widths = NetworkConfig { widths: [16, 32, 1 << 40], ..config() };
    for (config, what) in
        [(dropout, "dropout of 2"), (diameter, "1000000000 pixels"), (widths, "1099511627776")]
    {
        let said: Result<String, Error> = said(config);
        let said = said?;
        assert!(said.contains("impossible") && said.contains(what), "{said}");
    }
    Ok(())
}
