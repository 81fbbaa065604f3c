//! Behaviour 34: layers with entries that no image needs.

use super::hostile::{Case, HOSTILE, refuse};
use crate::archive::Entry;
use crate::{Check, Need};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "layer-device",
        title: "a device node in a layer is one error that names it when the user may not make device nodes",
        hints: &["mknod(2) says EPERM in a user namespace: say which entry it was."],
        needs: &[Need::NotRoot],
        run: |subject| refuse(subject, &devices()),
        ..HOSTILE
    },
    Check {
        id: "layer-whiteout-device",
        title: "a character device 0:0 in a layer is refused, since on disk it would be a whiteout",
        hints: &["A layer says `.wh.NAME`; the device is how overlayfs writes it down."],
        run: |subject| refuse(subject, &[("a device 0:0", "evil", vec![Entry::device(b'3', "evil", 0, 0)])]),
        ..HOSTILE
    },
    Check {
        id: "layer-unknown-kind",
        title: "an entry of a kind that no layer has, or a sparse file of PAX, is refused with the entry named",
        hints: &["A match without `_ => ()`.", "`GNU.sparse.` records: the content is not what it seems."],
        run: |subject| refuse(subject, &kinds()),
        ..HOSTILE
    },
    Check {
        id: "layer-overlay-xattr",
        title: "an entry with an xattr of overlayfs itself is refused with the entry named",
        hints: &["`user.overlay.redirect` in a layer would show a file of another layer under a new name."],
        run: |subject| refuse(subject, &overlay_xattrs()),
        ..HOSTILE
    },
    Check {
        id: "layer-whiteout-name",
        title: "a whiteout of nothing, of `.` or of `..` is refused with the entry named",
        hints: &["What is behind `.wh.` is a file name, or the entry is refused."],
        run: |subject| refuse(subject, &whiteouts()),
        ..HOSTILE
    },
];

fn devices() -> Vec<Case<'static>> {
    vec![
        ("a character device", "evil", vec![Entry::device(b'3', "dev/evil", 1, 3)]),
        ("a block device", "evil", vec![Entry::device(b'4', "evil", 8, 0)]),
    ]
}

fn kinds() -> Vec<Case<'static>> {
    let sparse = Entry::file("GNUSparseFile.0/evil", "0\n")
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", "evil")
        .pax("GNU.sparse.realsize", "1073741824");
    vec![
        ("an entry of the kind Q", "evil", vec![Entry::new(b'Q', "evil")]),
        ("an entry of the kind M", "evil", vec![Entry::new(b'M', "evil")]),
        ("a sparse file of PAX", "evil", vec![sparse]),
    ]
}

fn overlay_xattrs() -> Vec<Case<'static>> {
    let with =
        |name: &str, value: &str| vec![Entry::dir("evil/").pax(&format!("SCHILY.xattr.{name}"), value)];
    vec![
        ("user.overlay.opaque", "evil", with("user.overlay.opaque", "y")),
        ("user.overlay.redirect", "evil", with("user.overlay.redirect", "/etc")),
        ("trusted.overlay.opaque", "evil", with("trusted.overlay.opaque", "y")),
        ("trusted.overlay.metacopy", "evil", with("trusted.overlay.metacopy", "")),
    ]
}

fn whiteouts() -> Vec<Case<'static>> {
    [".wh.", ".wh..", ".wh..."].map(|name| (name, name, vec![Entry::file(format!("d/{name}"), "")])).to_vec()
}
