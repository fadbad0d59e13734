//! What a recipe's `[container]` sets in a wheel that was built (docs/TRUST.md 3.4): time, mode, system and order of the
//! members. Names, contents and compressed streams are the build's own.

use std::collections::BTreeMap;

use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::Container;
use attest_core::recipe::container::{Settings, ZipMode, ZipSystem, ZipTime};

use super::wheel::Wheel;
use super::zip::{self, Member, Unwritable, ZipError};

/// Why a container cannot be set in a wheel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplayError {
    /// What was built is no zip.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// It is laid out in a way that writing it again would change.
    #[error("expected the build to lay its members out in the order of the zip's directory, found another layout")]
    Layout,
    /// Another wheel than the one that the recipe is for.
    #[error("expected the {expected} members that the recipe's container is for, found {found} built")]
    Members {
        /// In the recipe.
        expected: usize,
        /// Built.
        found: usize,
    },
    /// A folder's mode for a file, or the other way round.
    #[error("expected a mode that fits {name:?}, found {mode:o} in the recipe's container")]
    Mode {
        /// The member.
        name: String,
        /// In the recipe.
        mode: u32,
    },
    /// Too big for a zip.
    #[error(transparent)]
    Write(#[from] Unwritable),
}

/// A wheel after its container was set.
#[derive(Clone, Debug)]
pub(crate) struct Replayed {
    /// What was set.
    pub(crate) container: Container,
    /// The wheel.
    pub(crate) bytes: Vec<u8>,
}

/// What a container makes of the wheel that a build emitted.
pub(crate) fn apply(container: &Container, built: &[u8]) -> Result<Vec<u8>, ReplayError> {
    let members = zip::read(built)?;
    if members.len() != container.members() {
        return Err(ReplayError::Members { expected: container.members(), found: members.len() });
    }
    if !zip::is_plain(built, &members) {
        return Err(ReplayError::Layout);
    }
    // A container's order is a permutation of as many places.
    let mut finished: Vec<Member> = container.order().filter_map(|place| members.get(place)).cloned().collect();
    let values = container.times().zip(container.modes()).zip(container.systems());
    for (member, ((time, mode), system)) in finished.iter_mut().zip(values) {
        set(member, time, mode, system)?;
    }
    Ok(zip::write(&finished)?)
}

fn set(
    member: &mut Member,
    time: Option<ZipTime>,
    mode: Option<ZipMode>,
    system: Option<ZipSystem>,
) -> Result<(), ReplayError> {
    if let Some(time) = time {
        member.dos_time = time.dos();
    }
    if let Some(mode) = mode {
        if !mode.fits(member.is_folder()) {
            return Err(ReplayError::Mode { name: member.name.clone(), mode: mode.bits() });
        }
        member.set_mode(mode.bits());
    }
    if let Some(system) = system {
        member.create_system = system.number();
    }
    Ok(())
}

/// The container that makes what was built the published file, where nothing differs that it does not set.
pub(crate) fn derive(published: &Wheel, built: &Wheel, emitted: &[u8]) -> Option<Replayed> {
    let order = places(published, built)?;
    let container = Container::new(settings(published.members(), built.members(), order)?).ok()?;
    let bytes = apply(&container, emitted).ok()?;
    // Whatever was overlooked above, a container that does not give the published bytes is none.
    (ArtifactDigest::of(&bytes) == published.digest()).then_some(Replayed { container, bytes })
}

/// For each published member its place in the build, where both have the same members with the same streams.
fn places(published: &Wheel, built: &Wheel) -> Option<Vec<u32>> {
    if published.members().len() != built.members().len() {
        return None;
    }
    let places: BTreeMap<&str, usize> =
        built.members().iter().enumerate().map(|(place, member)| (member.name.as_str(), place)).collect();
    let place = |member: &Member| {
        let place = *places.get(member.name.as_str())?;
        let same = is_same_but_for_container(member, built.members().get(place)?);
        same.then(|| u32::try_from(place).ok()).flatten()
    };
    published.members().iter().map(place).collect()
}

fn is_same_but_for_container(published: &Member, built: &Member) -> bool {
    !published.damaged
        && !built.damaged
        && published.content == built.content
        && published.compressed == built.compressed
        && published.rest == built.rest
        // The lower half is no mode.
        && published.external_attributes & 0xffff == built.external_attributes & 0xffff
}

/// What has to be set, in the published order; nothing where a value may not be set.
fn settings(published: &[Member], built: &[Member], order: Vec<u32>) -> Option<Settings> {
    let pairs: Vec<(&Member, &Member)> = order
        .iter()
        .zip(published)
        .map(|(place, member)| Some((member, built.get(*place as usize)?)))
        .collect::<Option<_>>()?;
    let times = pairs.iter().any(|(left, right)| left.dos_time != right.dos_time);
    let modes = pairs.iter().any(|(left, right)| left.mode() != right.mode());
    let systems = pairs.iter().any(|(left, right)| left.create_system != right.create_system);
    Some(Settings {
        members: published.len(),
        order: (!order.is_sorted()).then_some(order),
        times: values(times, published, |member| ZipTime::from_dos(member.dos_time))?,
        modes: values(modes, published, |member| ZipMode::from_bits(member.mode()))?,
        systems: values(systems, published, |member| ZipSystem::from_number(member.create_system))?,
    })
}

/// Inner nothing: no need to set it. Outer nothing: needed, and not allowed.
#[expect(clippy::option_option, reason = "two different nothings")]
fn values<T>(needed: bool, published: &[Member], value: impl Fn(&Member) -> Option<T>) -> Option<Option<Vec<T>>> {
    if needed { published.iter().map(value).collect::<Option<Vec<T>>>().map(Some) } else { Some(None) }
}

#[cfg(test)]
mod tests;
