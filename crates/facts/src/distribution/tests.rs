//! Other machines' release files, and what Ansible says of them.

use super::*;

/// Name, files, and the facts: distribution, version, major, minor or `-`, release, family, file, variety.
type Case = (&'static str, &'static [(&'static str, &'static str)], [&'static str; 8]);

const CASES: &[Case] = &[
    (
        "ubuntu2204",
        &[
            (
                "/etc/os-release",
                "NAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.3 LTS (Jammy Jellyfish)\"\nVERSION_CODENAME=jammy\nID=ubuntu\n",
            ),
            ("/etc/debian_version", "bookworm/sid\n"),
        ],
        ["Ubuntu", "22.04", "22", "-", "jammy", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "debian12",
        &[
            (
                "/etc/os-release",
                "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            ),
            ("/etc/debian_version", "12.5\n"),
        ],
        ["Debian", "12.5", "12", "5", "bookworm", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "debiansid",
        &[
            ("/etc/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=trixie\nID=debian\n"),
            ("/etc/debian_version", "trixie/sid\n"),
        ],
        ["Debian", "n/a", "n/a", "-", "trixie", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "debian9",
        &[
            (
                "/etc/os-release",
                "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"9\"\nVERSION=\"9 (stretch)\"\nID=debian\n",
            ),
            ("/etc/debian_version", "9.13\n"),
        ],
        ["Debian", "9.13", "9", "13", "stretch", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "rocky9",
        &[
            (
                "/etc/os-release",
                "NAME=\"Rocky Linux\"\nVERSION=\"9.3 (Blue Onyx)\"\nID=\"rocky\"\nVERSION_ID=\"9.3\"\n",
            ),
            ("/etc/redhat-release", "Rocky Linux release 9.3 (Blue Onyx)\n"),
        ],
        ["Rocky", "9.3", "9", "-", "Blue Onyx", "RedHat", "/etc/redhat-release", "RedHat"],
    ),
    (
        "alma8",
        &[
            (
                "/etc/os-release",
                "NAME=\"AlmaLinux\"\nVERSION=\"8.9 (Midnight Oncilla)\"\nID=\"almalinux\"\nVERSION_ID=\"8.9\"\n",
            ),
            ("/etc/redhat-release", "AlmaLinux release 8.9 (Midnight Oncilla)\n"),
        ],
        [
            "AlmaLinux",
            "8.9",
            "8",
            "-",
            "Midnight Oncilla",
            "RedHat",
            "/etc/redhat-release",
            "RedHat",
        ],
    ),
    (
        "rhel9",
        &[
            (
                "/etc/os-release",
                "NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"9.2 (Plow)\"\nID=\"rhel\"\nVERSION_ID=\"9.2\"\n",
            ),
            ("/etc/redhat-release", "Red Hat Enterprise Linux release 9.2 (Plow)\n"),
        ],
        ["RedHat", "9.2", "9", "-", "Plow", "RedHat", "/etc/redhat-release", "RedHat"],
    ),
    (
        "centos7",
        &[
            (
                "/etc/os-release",
                "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nVERSION_ID=\"7\"\n",
            ),
            ("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n"),
            ("/etc/centos-release", "CentOS Linux release 7.9.2009 (Core)\n"),
        ],
        ["CentOS", "7.9", "7", "-", "Core", "RedHat", "/etc/redhat-release", "RedHat"],
    ),
    (
        "stream9",
        &[
            (
                "/etc/os-release",
                "NAME=\"CentOS Stream\"\nVERSION=\"9\"\nID=\"centos\"\nVERSION_ID=\"9\"\n",
            ),
            ("/etc/redhat-release", "CentOS Stream release 9\n"),
            ("/etc/centos-release", "CentOS Stream release 9\n"),
        ],
        ["CentOS", "9", "9", "-", "Stream", "RedHat", "/etc/centos-release", "CentOS"],
    ),
    (
        "fedora40",
        &[
            (
                "/etc/os-release",
                "NAME=\"Fedora Linux\"\nVERSION=\"40 (Container Image)\"\nID=fedora\nVERSION_ID=40\nVERSION_CODENAME=\"\"\n",
            ),
            ("/etc/redhat-release", "Fedora release 40 (Forty)\n"),
        ],
        ["Fedora", "40", "40", "-", "", "RedHat", "/etc/redhat-release", "RedHat"],
    ),
    (
        "amazon2",
        &[(
            "/etc/os-release",
            "NAME=\"Amazon Linux\"\nVERSION=\"2\"\nID=\"amzn\"\nVERSION_ID=\"2\"\n",
        )],
        ["Amazon", "2", "2", "NA", "n/a", "RedHat", "/etc/os-release", "Amazon"],
    ),
    (
        "amazon2023",
        &[(
            "/etc/os-release",
            "NAME=\"Amazon Linux\"\nVERSION=\"2023\"\nID=\"amzn\"\nVERSION_ID=\"2023\"\n",
        )],
        ["Amazon", "2023", "2023", "NA", "n/a", "RedHat", "/etc/os-release", "Amazon"],
    ),
    (
        "oracle8",
        &[
            (
                "/etc/os-release",
                "NAME=\"Oracle Linux Server\"\nVERSION=\"8.8\"\nID=\"ol\"\nVERSION_ID=\"8.8\"\n",
            ),
            ("/etc/redhat-release", "Red Hat Enterprise Linux release 8.8 (Ootpa)\n"),
            ("/etc/oracle-release", "Oracle Linux Server release 8.8\n"),
        ],
        ["OracleLinux", "8.8", "8", "-", "n/a", "RedHat", "/etc/oracle-release", "OracleLinux"],
    ),
    (
        "alpine",
        &[
            ("/etc/os-release", "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1\n"),
            ("/etc/alpine-release", "3.19.1\n"),
        ],
        ["Alpine", "3.19.1", "3", "-", "n/a", "Alpine", "/etc/alpine-release", "Alpine"],
    ),
    (
        "arch",
        &[
            ("/etc/os-release", "NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n"),
            ("/etc/arch-release", ""),
        ],
        ["Archlinux", "n/a", "n/a", "-", "n/a", "Archlinux", "/etc/arch-release", "Archlinux"],
    ),
    (
        "manjaro",
        &[
            ("/etc/os-release", "NAME=\"Manjaro Linux\"\nID=manjaro\nBUILD_ID=rolling\n"),
            ("/etc/arch-release", "Manjaro Linux\n"),
        ],
        ["Archlinux", "n/a", "n/a", "-", "n/a", "Archlinux", "/etc/arch-release", "Archlinux"],
    ),
    (
        "leap155",
        &[(
            "/etc/os-release",
            "NAME=\"openSUSE Leap\"\nVERSION=\"15.5\"\nID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"\n",
        )],
        ["openSUSE Leap", "15.5", "15", "-", "5", "Suse", "/etc/os-release", "SUSE"],
    ),
    (
        "tumbleweed",
        &[(
            "/etc/os-release",
            "NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nVERSION_ID=\"20240112\"\n",
        )],
        ["openSUSE Tumbleweed", "20240112", "20240112", "-", "", "Suse", "/etc/os-release", "SUSE"],
    ),
    (
        "sles15",
        &[(
            "/etc/os-release",
            "NAME=\"SLES\"\nVERSION=\"15-SP5\"\nVERSION_ID=\"15.5\"\nID=\"sles\"\n",
        )],
        ["SLES", "15.5", "15", "-", "5", "Suse", "/etc/os-release", "SUSE"],
    ),
    (
        "sled15",
        &[(
            "/etc/os-release",
            "NAME=\"SLED\"\nVERSION=\"15-SP5\"\nVERSION_ID=\"15.5\"\nID=\"sled\"\n",
        )],
        ["SLED", "15.5", "15", "-", "5", "Suse", "/etc/os-release", "SUSE"],
    ),
    (
        "slesap",
        &[(
            "/etc/os-release",
            "NAME=\"SLES_SAP\"\nVERSION=\"12-SP3\"\nVERSION_ID=\"12.3\"\nID=\"sles_sap\"\n",
        )],
        ["SLES_SAP", "12.3", "12", "-", "3", "Suse", "/etc/os-release", "SUSE"],
    ),
    (
        "slemicro",
        &[(
            "/etc/os-release",
            "NAME=\"SLE Micro\"\nVERSION=\"5.5\"\nVERSION_ID=\"5.5\"\nID=\"sle-micro\"\n",
        )],
        ["SLE Micro", "5.5", "5", "-", "5", "SLE Micro", "/etc/os-release", "SUSE"],
    ),
    (
        "kali",
        &[
            (
                "/etc/os-release",
                "NAME=\"Kali GNU/Linux\"\nVERSION_ID=\"2023.4\"\nVERSION=\"2023.4\"\nVERSION_CODENAME=kali-rolling\nID=kali\n",
            ),
            ("/etc/debian_version", "kali-rolling\n"),
        ],
        ["Kali", "2023.4", "2023", "-", "kali-rolling", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "mint",
        &[
            (
                "/etc/os-release",
                "NAME=\"Linux Mint\"\nVERSION=\"21.2 (Victoria)\"\nID=linuxmint\nVERSION_ID=\"21.2\"\nVERSION_CODENAME=victoria\n",
            ),
            ("/etc/debian_version", "bookworm/sid\n"),
        ],
        ["Linux Mint", "21.2", "21", "-", "victoria", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "popos",
        &[
            (
                "/etc/os-release",
                "NAME=\"Pop!_OS\"\nVERSION=\"22.04 LTS\"\nID=pop\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n",
            ),
            ("/etc/debian_version", "bookworm/sid\n"),
        ],
        ["Pop!_OS", "22.04", "22", "-", "jammy", "Debian", "/etc/os-release", "NA"],
    ),
    (
        "raspbian",
        &[
            (
                "/etc/os-release",
                "NAME=\"Raspbian GNU/Linux\"\nVERSION_ID=\"11\"\nVERSION=\"11 (bullseye)\"\nVERSION_CODENAME=bullseye\nID=raspbian\n",
            ),
            ("/etc/debian_version", "11.8\n"),
        ],
        ["Debian", "11", "11", "8", "bullseye", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "devuan",
        &[
            (
                "/etc/os-release",
                "NAME=\"Devuan GNU/Linux\"\nVERSION_ID=\"4\"\nVERSION=\"4 (chimaera)\"\nVERSION_CODENAME=\"chimaera\"\nID=devuan\n",
            ),
            ("/etc/debian_version", "chimaera\n"),
        ],
        ["Devuan", "4", "4", "-", "chimaera", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "gentoo",
        &[("/etc/os-release", "NAME=Gentoo\nID=gentoo\nVERSION_ID=\"2.14\"\n")],
        ["Gentoo", "2.14", "2", "-", "n/a", "Gentoo", "/etc/os-release", "NA"],
    ),
    (
        "void",
        &[("/etc/os-release", "NAME=\"Void\"\nID=\"void\"\nDISTRIB_ID=\"void\"\n")],
        ["Void", "n/a", "n/a", "-", "n/a", "Void", "/etc/os-release", "NA"],
    ),
    (
        "flatcar",
        &[(
            "/etc/os-release",
            "NAME=\"Flatcar Container Linux by Kinvolk\"\nID=flatcar\nVERSION=3602.2.3\nVERSION_ID=3602.2.3\n",
        )],
        ["Flatcar", "3602.2.3", "3602", "-", "n/a", "Flatcar", "/etc/os-release", "Flatcar"],
    ),
    (
        "nixos",
        &[(
            "/etc/os-release",
            "NAME=NixOS\nID=nixos\nVERSION=\"23.11 (Tapir)\"\nVERSION_CODENAME=tapir\nVERSION_ID=\"23.11\"\n",
        )],
        ["NixOS", "23.11", "23", "-", "tapir", "NixOS", "/etc/os-release", "NA"],
    ),
    (
        "photon",
        &[(
            "/etc/os-release",
            "NAME=\"VMware Photon OS\"\nVERSION=\"4.0\"\nID=photon\nVERSION_ID=4.0\n",
        )],
        ["VMware Photon OS", "4.0", "4", "-", "n/a", "VMware Photon OS", "/etc/os-release", "NA"],
    ),
    (
        "openeuler",
        &[(
            "/etc/os-release",
            "NAME=\"openEuler\"\nVERSION=\"22.03 (LTS-SP3)\"\nID=\"openEuler\"\nVERSION_ID=\"22.03\"\n",
        )],
        ["openEuler", "22.03", "22", "-", "n/a", "RedHat", "/etc/os-release", "NA"],
    ),
    (
        "clear",
        &[(
            "/etc/os-release",
            "NAME=\"Clear Linux OS\"\nVERSION=1\nID=clear-linux-os\nVERSION_ID=40800\n",
        )],
        ["Clear Linux OS", "40800", "40800", "-", "n/a", "ClearLinux", "/etc/os-release", "NA"],
    ),
    (
        "parrot",
        &[
            (
                "/etc/os-release",
                "NAME=\"Parrot Security\"\nVERSION_ID=\"5.3\"\nVERSION=\"5.3 (Electro Ara)\"\nVERSION_CODENAME=ara\nID=parrot\n",
            ),
            ("/etc/debian_version", "parrot\n"),
        ],
        ["Parrot", "5.3", "5", "-", "ara", "Debian", "/etc/os-release", "Debian"],
    ),
    (
        "openwrt",
        &[
            (
                "/etc/os-release",
                "NAME=\"OpenWrt\"\nVERSION=\"22.03.5\"\nID=\"openwrt\"\nVERSION_ID=\"22.03.5\"\n",
            ),
            (
                "/etc/openwrt_release",
                "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='22.03.5'\nDISTRIB_REVISION='r20134'\nDISTRIB_CODENAME='openwrt'\n",
            ),
        ],
        ["OpenWrt", "22.03.5", "22", "-", "n/a", "OpenWrt", "/etc/openwrt_release", "OpenWrt"],
    ),
    (
        "slackware",
        &[
            (
                "/etc/os-release",
                "NAME=Slackware\nVERSION=\"15.0\"\nID=slackware\nVERSION_ID=15.0\n",
            ),
            ("/etc/slackware-version", "Slackware 15.0\n"),
        ],
        ["Slackware", "15.0", "15", "-", "n/a", "Slackware", "/etc/slackware-version", "Slackware"],
    ),
    (
        "unknown",
        &[("/etc/os-release", "NAME=\"Frobnix\"\nID=frobnix\nVERSION_ID=7.1\n")],
        ["Frobnix", "7.1", "7", "-", "n/a", "Frobnix", "/etc/os-release", "NA"],
    ),
    (
        "elementary",
        &[
            (
                "/etc/os-release",
                "NAME=\"elementary OS\"\nVERSION=\"7.1 Horus\"\nID=elementary\nVERSION_ID=\"7.1\"\nVERSION_CODENAME=horus\n",
            ),
            ("/etc/debian_version", "bookworm/sid\n"),
        ],
        ["elementary OS", "7.1", "7", "-", "horus", "elementary OS", "/etc/os-release", "NA"],
    ),
    (
        "virtuozzo",
        &[
            (
                "/etc/os-release",
                "NAME=\"Virtuozzo Linux\"\nVERSION=\"8.7\"\nID=\"virtuozzo\"\nVERSION_ID=\"8.7\"\n",
            ),
            ("/etc/redhat-release", "Virtuozzo Linux release 8.7\n"),
        ],
        ["Virtuozzo", "8.7", "8", "-", "n/a", "RedHat", "/etc/redhat-release", "RedHat"],
    ),
    (
        "eurolinux",
        &[
            (
                "/etc/os-release",
                "NAME=\"EuroLinux\"\nVERSION=\"9.3 (Prague)\"\nID=\"eurolinux\"\nVERSION_ID=\"9.3\"\n",
            ),
            ("/etc/redhat-release", "EuroLinux release 9.3 (Prague)\n"),
        ],
        ["EuroLinux", "9.3", "9", "-", "Prague", "RedHat", "/etc/redhat-release", "RedHat"],
    ),
];

#[test]
fn distributions_are_told_as_ansible_tells_them() {
    for (name, files, expected) in CASES {
        let mut release = Release::default();
        for (path, text) in *files {
            if *path == OS_RELEASE {
                release.os = assignments(text);
            } else {
                release.files.insert(path, (*text).to_owned());
            }
        }
        let mut facts = Args::new();
        describe(&identify(&release), &mut facts);
        let keys = [
            "distribution",
            "distribution_version",
            "distribution_major_version",
            "distribution_minor_version",
            "distribution_release",
            "os_family",
            "distribution_file_path",
            "distribution_file_variety",
        ];
        let found = keys.map(|key| facts.get(key).and_then(Value::as_str).unwrap_or("-"));
        assert_eq!(found, *expected, "{name}");
    }
}

#[test]
fn nothing_written_is_still_an_answer() {
    let found = identify(&Release::default());
    assert_eq!((found.name.as_str(), found.version.as_str()), ("Linux", "n/a"));
    let release = Release { os: assignments("ID=\"\nNAME=\"\u{fffd}\"\n"), ..Release::default() };
    assert_eq!(identify(&release).family, "\u{fffd}");
}

#[test]
fn lsb_comes_from_its_file_or_os_release() {
    let file = assignments("DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\n");
    let lsb = Value::from(lsb_from_file(&file));
    let expected =
        json!({"id": "Ubuntu", "release": "22.04", "codename": "jammy", "major_release": "22"});
    assert_eq!(lsb, expected);
    let os = assignments(
        "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"D 12\"\n",
    );
    let expected = json!({
        "id": "Debian", "release": "12", "description": "D 12", "codename": "bookworm", "major_release": "12"
    });
    assert_eq!(Value::from(lsb_from_os(&os)), expected);
}
