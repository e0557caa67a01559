//! `unarchive`: the controller's half. An archive of the controller is named by digest; the host fetches it when it must unpack.

use jinja::SearchKind;

use super::{Attempt, Call, Prepared, copy};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let src = call.required("src")?;
    call.required("dest")?;
    let mut args = call.json_args()?;
    let local = call.flag("copy", true)? && !call.flag("remote_src", false)?;
    args.shift_remove("copy");
    if local && !src.contains("://") {
        let path = call.find(SearchKind::Files, &src)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        args.insert("_original_basename".into(), name.into());
        copy::add_file(call, &mut args, &path)?;
    } else {
        args.insert("remote_src".into(), true.into());
    }
    Ok(super::module(args, "unarchive"))
}
