//! Completions and manual pages, from the same definition as the help.

use std::path::Path;

use clap::CommandFactory;
use pellucid_recipe::{Result, write};

use crate::arguments::Arguments;
use crate::screen::print;

pub(super) fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "pellucid", &mut text);
    print(&String::from_utf8_lossy(&text))
}

pub(super) fn manual(folder: &Path) -> Result<()> {
    let write_page = |command: clap::Command, name: &str| {
        let mut page = Vec::new();
        let command = command.display_name(name);
        // Writing to memory does not fail.
        let _ = clap_mangen::Man::new(command).render(&mut page);
        write::write_bytes(&folder.join(format!("{name}.1")), &page)
    };
    let mut whole = Arguments::command();
    whole.build();
    write_page(whole.clone(), "pellucid")?;
    for command in whole.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        write_page(command.clone(), &format!("pellucid-{}", command.get_name()))?;
    }
    Ok(())
}
