use super::*;
use crate::fixture::train_args;
use anyhow::Result;
use clap::CommandFactory;
use clap::error::ErrorKind;
use std::path::Path;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn what_no_machine_can_do_is_refused() {
    for (command, option, most) in [
        ("synth --out o", "--train", "100000"),
        ("synth --out o", "--test", "100000"),
        ("train --out o", "--synthetic", "100000"),
        ("train --out o", "--folds", "10000"),
        ("train --out o", "--batch", "4096"),
        ("train --out o", "--epochs", "100000"),
        ("train --out o", "--white-cells", "100"),
        ("train --out o", "--working-diameter", "200"),
        ("train --out o", "--learning-rate", "10"),
        ("train --out o", "--scale-jitter", "3"),
        ("train --out o", "--colour-jitter", "10"),
        ("train --out o", "--gap-weight", "1000"),
        ("predict --out o i", "--um-per-px", "1000"),
        ("predict --out o i", "--diameter", "1000"),
    ] {
        let parse = |value: &str| {
            Cli::try_parse_from(format!("trainer {command} {option} {value}").split(' ')).map(|_| ())
        };
        assert!(parse(most).is_ok(), "{option} {most}");
        for bad in
            [format!("{most}1"), "18446744073709551615".into(), "1e38".into(), "nan".into(), "-1".into()]
        {
            let refused = parse(&bad).is_err_and(|error| error.exit_code() == 2);
            assert!(refused, "{option} {bad}");
        }
    }
    assert!(values::folds("0").is_err_and(|told| told.contains("from 1")) && values::folds("1").is_ok());
}

#[test]
fn what_begins_with_a_minus_is_no_option() {
    for line in [
        "train --out o --epochs -1",
        "train --out o --fold -1",
        "train --out o --seed -1",
        "train --out o --widths -1,2,3",
        "train --out o --as-taken -0.5",
        "evaluate --data d --out o --worst -1",
        "evaluate --data d --out o --threshold -1",
        "predict --out o --orientations -1 i",
        "synth --out o --seed -1",
    ] {
        let told = Cli::try_parse_from(format!("trainer {line}").split(' ')).map(|_| ());
        let told = told.map_err(|error| (error.kind(), error.to_string()));
        assert!(
            told.as_ref().is_err_and(|(kind, _)| *kind == ErrorKind::ValueValidation),
            "{line}: {told:?}"
        );
    }
}

#[test]
fn the_help_tells_every_default() {
    let cli = Cli::command();
    let train = cli.find_subcommand("train").expect("there is one");
    // These options have no default.
    let without = ["fields", "fold"];
    for option in train.get_arguments().filter(|option| option.get_action().takes_values()) {
        let id = option.get_id().as_str();
        let told = option.get_help().map(|help| help.to_string()).unwrap_or_default();
        let own = !option.get_default_values().is_empty() || told.contains("[default: ");
        assert!(own || option.is_required_set() || without.contains(&id), "{id}: {told}");
    }
}

#[test]
fn each_option_sets_its_own_and_none_leaves_the_shipped_recipe() -> Result<()> {
    let config = |more: &str| Ok::<_, anyhow::Error>(train_args(Path::new("o"), more)?.config().to_json()?);
    assert_eq!(config("")?, FitConfig::default().to_json()?);
    let all = config(
        "--epochs 3 --widths 4,5,6 --working-diameter 30 --batch 2 --no-batch-norm --learning-rate 0.0125 \
         --scale-jitter 1.3 --colour-jitter 0.5 --as-taken 0.25 --gap-weight 7 --seed 9",
    )?;
    let mut wanted = FitConfig { gap_weight: 7.0, epochs: 3, batch: 2, seed: 9, ..FitConfig::default() };
    wanted.learning_rate = 0.0125;
    wanted.augmentation = Augmentation { scale: 1.3, colour: 0.5, as_taken: 0.25 };
    let network = &mut wanted.network;
    (network.widths, network.working_diameter, network.batch_norm) = ([4, 5, 6], 30.0, false);
    assert_eq!(all, wanted.to_json()?);
    Ok(())
}

#[test]
fn weights_to_start_from_have_widths_and_working_diameter_of_their_own() {
    let parse = |more: &str| {
        Cli::try_parse_from(format!("trainer train --out o --start-from shipped{more}").split(' ')).map(drop)
    };
    assert!(parse("").is_ok() && parse(" --epochs 4").is_ok());
    for own in [" --widths 16,32,64", " --working-diameter 34"] {
        assert!(parse(own).is_err_and(|error| error.kind() == ErrorKind::ArgumentConflict), "{own}");
    }
}

#[test]
fn the_contract_parses() {
    for line in [
        "trainer train --out o",
        "trainer train --data d --out o --folds 5 --fold 0 --epochs 3 --device cuda:1 --seed 9 --resume",
        "trainer evaluate --weights w --data d --out o --device cpu",
        "trainer predict --weights w --out o --device auto a.png folder",
        "trainer synth --out o --train 3 --test 2 --seed 1",
        "trainer check --data d",
        "trainer export --weights w --out o.bpk",
    ] {
        assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
}
