use proptest::prelude::*;

use super::*;

fn on(version: &'static str) -> impl Fn(&str) -> Option<&'static str> {
    move |name| match name {
        "python_full_version" | "implementation_version" => Some(version),
        "python_version" => version.rsplit_once('.').map(|(short, _)| short),
        "platform_machine" => Some("x86_64"),
        "implementation_name" => Some("cpython"),
        "platform_python_implementation" => Some("CPython"),
        other => of_system(other),
    }
}

#[test]
fn only_what_no_python_here_can_select_is_left_out() {
    let here = std::env::consts::OS == "linux";
    for (marker, is_false) in [
        ("sys_platform == 'win32'", here),
        ("sys_platform == \"win32\" and python_version >= '3.8'", here),
        ("python_version >= '3.8' and (os_name == 'nt' or sys_platform == 'darwin')", here),
        ("'linux' not in sys_platform", here),
        ("platform_system == 'Windows'", here),
        ("sys.platform == 'win32'", here),
        ("sys_platform == 'linux'", false),
        ("sys_platform != 'win32'", false),
        ("sys_platform == 'win32' or python_version < '4'", false),
        ("python_version < '3'", false),
        ("platform_machine == 'no such'", false),
        ("extra == 'test'", false),
        ("sys_platform = 'win32'", false),
        ("sys_platform == 'win32' garbage", false),
        ("sys_platform == 'win32", false),
        ("(sys_platform == 'win32'", false),
        ("", false),
    ] {
        assert_eq!(evaluate(marker, &of_system) == Truth::No, is_false, "{marker}");
    }
    let deep = format!("{}sys_platform == 'win32'{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(evaluate(&deep, &of_system), Truth::Unknown);
}

#[test]
fn a_python_that_was_asked_decides_the_rest() {
    use Truth::{No, Unknown, Yes};
    for (marker, truth) in [
        ("python_version < '3.10'", No),
        ("python_version >= '3.10'", Yes),
        ("python_version == '3.9' or python_version == '3.11'", Yes),
        ("'3.12' <= python_version", No),
        ("python_version >= '3'", Yes),
        ("python_version ~= '3.8'", Yes),
        ("python_version ~= '2.8'", No),
        ("python_full_version == '3.11.*'", Yes),
        ("python_full_version != '3.11.*'", No),
        ("python_full_version == '3.1.*'", No),
        ("python_full_version >= '3.11.7'", Yes),
        ("python_full_version > '3.11.7'", No),
        ("python_full_version <= '3.11.10'", Yes),
        ("python_full_version < '3.12.0a1'", Yes),
        ("python_full_version ~= '3.11.8'", No),
        ("python_version in '2.7 3.11'", Yes),
        ("python_version not in '2.7, 3.11'", No),
        ("python_version in '2.7 3.10'", No),
        ("implementation_name == 'pypy'", No),
        ("platform_python_implementation != 'PyPy'", Yes),
        ("platform_machine == 'arm64'", No),
        ("platform_machine in 'x86_64 aarch64'", Yes),
        // Pre-releases of the same release, what pip and uv read differently, and what nobody knows.
        ("python_full_version < '3.11.7rc1'", Unknown),
        ("python_full_version == '3.11.7.*.*'", Unknown),
        ("python_version < '3.11.4'", Unknown),
        ("python_version == '3.1' or python_version in '3.11.1'", Unknown),
        ("python_version === '3.9'", Unknown),
        ("python_version ~= '3'", Unknown),
        ("python_version < 'x'", Unknown),
        ("python_version < '3.10 || 4'", Unknown),
        ("python_version < '1!3'", Unknown),
        ("python_version < '99999999999.1'", Unknown),
        ("platform_machine > 'a'", Unknown),
        ("platform_release < '1'", Unknown),
        ("extra == 'a' and 'b' in extras", Unknown),
        ("'dev' in dependency_groups", Unknown),
        ("'3.9' == '3.10'", Unknown),
        ("python_version < '3.10' and extra == 'x'", No),
        ("python_version < '3.10' or extra == 'x'", Unknown),
    ] {
        assert_eq!(evaluate(marker, &on("3.11.7")), truth, "{marker}");
    }
    assert_eq!(evaluate("python_full_version >= '3.14'", &on("3.14.0rc2")), Truth::Unknown);
    assert_eq!(evaluate("python_full_version < '3.14'", &on("3.14.0rc2")), Truth::Unknown);
    assert_eq!(evaluate("python_full_version < '3.13'", &on("3.14.0rc2")), Truth::No);
}

#[test]
fn a_python_that_a_lock_is_not_for_is_found_out() {
    for (specifiers, excluded) in [
        (">=3.9", false),
        (">=3.12", true),
        (">=3.9,<3.11", true),
        (">=3.9, <4.0", false),
        ("==3.11.*", false),
        ("!=3.11.*", true),
        ("~=3.10", false),
        ("==3.12.*", true),
        (">=3.11.7rc1", false),
        ("", false),
        ("garbage", false),
        (">=3.9 || >=3.12", false),
        ("<3.10 || >=3.11", false),
    ] {
        assert_eq!(excludes(specifiers, "3.11.7"), excluded, "{specifiers}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(marker in ".{0,80}", specifiers in "[<>=!~ 0-9.*a-z,|]{0,40}") {
        evaluate(&marker, &on("3.11.7"));
        excludes(&specifiers, "3.11.7");
    }

    /// Where pip and this reader both decide, they agree: with two releases there is only one answer.
    #[test]
    fn releases_compare_as_numbers(minor in 0_u32..20, micro in 0_u32..20) {
        let literal = format!("3.{minor}.{micro}");
        let order = (3, 11, 7).cmp(&(3, minor, micro));
        for (operator, holds) in [("<", order.is_lt()), ("<=", order.is_le()), (">", order.is_gt()), (">=", order.is_ge()),
            ("==", order.is_eq()), ("!=", order.is_ne())] {
            let marker = format!("python_full_version {operator} '{literal}'");
            prop_assert_eq!(evaluate(&marker, &on("3.11.7")), Truth::of(holds));
        }
    }
}
