use super::value::Value;
use super::*;

const TEXT: &str = "members = 5\norder = \"0-1 3-4 2\"\ntimes = \"2024-02-25T23:17:32x3 +2 -86402\"\n\
                    modes = \"100644x4 100664\"\nsystems = \"0x5\"\n";

fn parse(text: &str) -> Result<Container, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
}

fn one(field: &str, value: &str) -> Result<Container, String> {
    parse(&format!("members = 3\n{field} = \"{value}\"\n"))
}

#[test]
fn a_container_is_printed_as_it_was_read_and_counts_every_member() {
    let container = parse(TEXT).unwrap();
    assert_eq!(toml::to_string(&container).unwrap(), TEXT);
    assert_eq!(container.order().collect::<Vec<_>>(), [0, 1, 3, 4, 2]);
    let times: Vec<_> = container.times().map(|time| time.unwrap().print(None)).collect();
    let base = "2024-02-25T23:17:32";
    assert_eq!(times, [base, base, base, "2024-02-25T23:17:34", "2024-02-24T23:17:32"]);
    let modes: Vec<_> = container.modes().map(|mode| mode.unwrap().bits()).collect();
    assert_eq!(modes, [0o100_644, 0o100_644, 0o100_644, 0o100_644, 0o100_664]);
    assert!(container.systems().all(|system| system == Some(ZipSystem::Dos)));
    assert_eq!(container.to_string(), "order, times, modes, systems");
}

#[test]
fn what_is_absent_stays_as_built() {
    let container = one("systems", "3x3").unwrap();
    assert_eq!(container.order().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(container.times().collect::<Vec<_>>(), [None; 3]);
    assert_eq!(container.modes().collect::<Vec<_>>(), [None; 3]);
}

#[test]
fn modes_that_give_rights_or_make_links_and_devices_are_refused() {
    for mode in
        ["104755", "102755", "101755", "4755", "120777", "20644", "60644", "10644", "140755", "200000", "777777"]
    {
        assert!(one("modes", &format!("{mode}x3")).unwrap_err().contains("octal permissions"), "{mode}");
    }
    for mode in ["100644", "755", "0", "40755"] {
        assert!(one("modes", &format!("{mode}x3")).is_ok(), "{mode}");
    }
    let folder = ZipMode::from_bits(0o040_755).unwrap();
    assert!(folder.fits(true) && !folder.fits(false));
}

#[test]
fn an_order_that_repeats_skips_or_names_members_that_are_not_there_is_refused() {
    for order in [
        "0-1 1",
        "2 2 2",
        "0 1 3",
        "3",
        "0-3",
        "2 0",
        "0-4294967295",
        "2-0",
        "2 1 0 0",
        "1 0 2-4",
        "-1 0 2",
        "a",
        "",
        "0-2",
        "2 0-1 ",
        "2  0-1",
        "+2 0-1",
        "02 0-1",
        "2 0 1",
    ] {
        assert!(one("order", order).is_err(), "{order:?}");
    }
    assert!(one("order", "2 0-1").is_ok());
}

#[test]
fn too_few_too_many_or_endlessly_many_values_are_refused() {
    for (field, value) in [
        ("systems", "3"),
        ("systems", "3x2"),
        ("systems", "3x4"),
        ("systems", "3x4294967295"),
        ("systems", "3x4294967296"),
        ("systems", "3x4294967295 0x4294967295"),
        ("times", "2024-02-25T23:17:32x4"),
        ("modes", "100644"),
    ] {
        assert!(one(field, value).is_err(), "{field} {value}");
    }
}

#[test]
fn values_that_a_zip_has_no_place_for_are_refused() {
    for time in [
        "1979-12-31T23:59:58",
        "2108-01-01T00:00:00",
        "2024-02-30T00:00:00",
        "2024-02-25T23:17:33",
        "2024-02-25",
        "2024-02-25T23:17:32Z",
        "2024-02-25T23:17:32.5",
        "2024-02-25T24:00:00",
        "2024-02-25T23:59:60",
        "+2",
        "",
        "2107-12-31T23:59:58x2 +2",
        "1980-01-01T00:00:00x2 -2",
        "2024-02-25T23:17:32x2 +1",
        "2024-02-25T23:17:32x2 +9223372036854775807",
        "2024-02-25T23:17:32x2 2024-02-25T23:17:32",
    ] {
        let text = if time.contains(' ') { time.to_owned() } else { format!("{time}x3") };
        assert!(one("times", &text).is_err(), "{time}");
    }
    for system in ["1", "19", "256", "-1", "unix"] {
        assert!(one("systems", &format!("{system}x3")).is_err(), "{system}");
    }
}

#[test]
fn every_value_has_one_spelling() {
    for (field, value) in [
        ("systems", "3 3 3"),
        ("systems", "3x1 0x2"),
        ("systems", "3x0 0x3"),
        ("systems", "3x03"),
        ("systems", "3x+3"),
        ("systems", "03x3"),
        ("systems", " 3x3"),
        ("modes", "0100644x3"),
        ("modes", "+644x3"),
        ("times", "2024-02-25t23:17:32x3"),
        ("times", "2024-02-25T23:17:32x2 2"),
        ("times", "2024-02-25T23:17:32x2 +02"),
        ("times", "2024-02-25T23:17:32x2 +0"),
    ] {
        assert!(one(field, value).is_err(), "{field} {value}");
    }
}

#[test]
fn a_container_has_members_sets_something_and_knows_no_names() {
    for text in [
        "members = 3",
        "members = 0\nsystems = \"3\"",
        "members = 65535\nsystems = \"3x65535\"",
        "members = -1\nsystems = \"3\"",
        "members = 3\norder = \"0-2\"",
        "members = 3\nsystems = \"3x3\"\nnames = [\"evil.py\"]",
        "members = 3\nsystems = \"3x3\"\ncontent = \"\"",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(parse("members = 65534\nsystems = \"3x65534\"").is_ok());
}

#[test]
fn a_thousand_members_with_a_time_each_in_any_order_fit_into_a_statement() {
    let members: u32 = 1000;
    let time = |at: u32| ZipTime::from_dos((44 << 9 | (at % 12 + 1) << 5 | (at % 28 + 1)) << 16 | (at % 24) << 11);
    let settings = Settings {
        members: 1000,
        order: Some((0..members).map(|at| (at * 7 + 3) % members).collect()),
        times: Some((0..members).filter_map(time).collect()),
        modes: Some((0..members).filter_map(|at| ZipMode::from_bits(0o100_644 | (at % 7 / 6 * 0o111))).collect()),
        systems: None,
    };
    let container = Container::new(settings).unwrap();
    let text = toml::to_string(&container).unwrap();
    assert_eq!(parse(&text).unwrap(), container);
    // The rest of a recipe takes less than a kilobyte.
    assert!(text.len() < crate::statement::MAX_RECIPE - 1024, "{}", text.len());
}

#[test]
fn every_time_of_a_zip_is_read_as_it_was_printed() {
    for dos in [0x0021_0000, 0xff9f_bf7d, 0x5859_ba30] {
        let time = ZipTime::from_dos(dos).unwrap();
        assert_eq!(ZipTime::parse(&time.print(None), None), Some(time));
        let other = ZipTime::from_dos(0x5859_ba30).unwrap();
        assert_eq!(ZipTime::parse(&time.print(Some(other)), Some(other)), Some(time));
    }
    for none in [0, 0x5859_c000, 0x585e_0000, 0x5859_ba3e] {
        assert_eq!(ZipTime::from_dos(none), None, "{none:#x}");
    }
}
