//! The command line: commands and options.

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::{
    addon, cameras, check, classify, compare, completions, config, demo, doctor, fleet, health, manual, models, mqtt,
    notify, setup, teach,
};
use crate::app::{App, Lifetime, Off, Prepared};
use crate::cli::files::ConfigFile;
use crate::cli::streams::Streams;
use crate::control::loader::Loader;
use glimpsed_core::error::{Error, Result};

/// Labels what a camera sees, and publishes it over MQTT.
#[derive(Debug, Parser)]
#[command(name = "glimpsed", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until it is told to stop
    Run(Run),
    /// Label the bundled photographs and show what arrives over a private broker
    Demo(demo::Options),
    /// Verify everything that a start would, without starting
    Check(check::Options),
    /// Test the camera, the model, the broker and the board, with a remedy for what fails
    Doctor(doctor::Options),
    /// Ask the running daemon whether it labels, for supervisors: exit code 1 if it does not
    Health(health::Options),
    /// Print a link that opens the page once, to set the device up from another machine's browser
    Setup(setup::Options),
    /// Show the effective configuration, or its JSON Schema
    #[command(subcommand)]
    Config(config::Command),
    /// Label photographs
    Classify(classify::Options),
    /// Teach labels of your own, from a few pictures of each
    Teach(teach::Options),
    /// Measure the models side by side on this device and recommend one
    Compare(compare::Options),
    /// The process that `compare` starts for each model
    #[command(name = glimpsed_core::compare::CHILD_COMMAND, hide = true)]
    MeasureModel,
    /// List the cameras, or test one
    #[command(subcommand)]
    Cameras(cameras::Command),
    /// List the known models, inspect or download one
    #[command(subcommand)]
    Models(models::Command),
    /// Test the broker, or remove what it keeps of this device
    #[command(subcommand)]
    Mqtt(mqtt::Command),
    /// Send a notice of each rule, to see whether it arrives
    #[command(subcommand)]
    Notify(notify::Command),
    /// Look at all devices of a broker at once
    #[command(subcommand)]
    Fleet(fleet::Command),
    /// Print completions for a shell
    Completions(completions::Options),
    /// Run the daemon as an app (add-on) of Home Assistant, whose Supervisor starts this
    #[command(hide = true)]
    Addon(addon::Options),
    /// Write the manual pages, for makers of packages
    #[command(hide = true)]
    Manual(manual::Options),
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    file: ConfigFile,
    /// Start with all views switched off and no camera open, until they are switched on over MQTT
    #[arg(long)]
    camera_off: bool,
    /// Start with this view switched off
    #[arg(long, value_name = "NAME")]
    view_off: Vec<String>,
    /// Do not start with the last configuration that worked when the file is broken: end with exit code 78
    #[arg(long)]
    strict: bool,
}

/// How a command that did not fail has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Finished,
    /// The daemon is to be started again in this process's place, with these views off, which were switched off.
    Restart(Off),
}

impl Arguments {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Whatever ended the command; [`glimpsed_core::error::Error::exit_code`] says which exit code that is.
    pub fn run(self, streams: &mut Streams) -> Result<Done> {
        let finished = match self.command {
            Command::Run(options) => return run(&options, streams),
            Command::Demo(options) => demo::run(&options, streams),
            Command::Check(options) => check::run(&options, streams),
            Command::Doctor(options) => doctor::run(&options, streams),
            Command::Health(options) => health::run(&options, streams),
            Command::Setup(options) => setup::run(&options, streams),
            Command::Config(command) => config::run(&command, streams),
            Command::Classify(options) => classify::run(&options, streams),
            Command::Teach(options) => teach::run(&options, streams),
            Command::Compare(options) => compare::run(&options, streams),
            Command::MeasureModel => compare::serve(streams),
            Command::Cameras(command) => cameras::run(&command, streams),
            Command::Models(command) => models::run(&command, streams),
            Command::Mqtt(command) => mqtt::run(&command, streams),
            Command::Notify(command) => notify::run(&command, streams),
            Command::Fleet(command) => fleet::run(&command, streams),
            Command::Completions(options) => completions::run(&options, Self::command(), streams),
            Command::Addon(options) => addon::run(&options, streams),
            Command::Manual(options) => manual::run(&options, Self::command()),
        };
        finished.map(|()| Done::Finished)
    }
}

fn run(options: &Run, streams: &mut Streams) -> Result<Done> {
    let mut lifetime = Lifetime::begin()?;
    let loader = Loader::start()?;
    let (path, strict) = (options.file.path.clone(), options.strict);
    let prepared = match lifetime.unless_stopped(&loader, move || Prepared::from_file(&path, strict)) {
        Ok(Some(prepared)) => prepared?,
        Ok(None) => return Ok(Done::Finished),
        Err(panicked) => return Err(Error::failed(panicked)),
    };
    let out = std::mem::replace(&mut streams.out, Box::new(std::io::sink()));
    let app = App::new(prepared, loader, lifetime.clock(), out);
    let off = if options.camera_off { Off::All } else { Off::Views(options.view_off.clone()) };
    let summary = app.with_off(off).run(lifetime)?;
    Ok(if summary.restart { Done::Restart(summary.off) } else { Done::Finished })
}
