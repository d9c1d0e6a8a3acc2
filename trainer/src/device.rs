//! The device to compute on. In Burn 0.21 back ends are types; here, and only here, a choice made at run time becomes a
//! type: [`dispatch`] runs a [`Job`] on the back end that was chosen.

use crate::say;
use crate::trial::Trial;
use anyhow::{Result, bail};
use burn::backend::Flex;
use rbc_model::backend::SegBackward;
use std::fmt;
use std::str::FromStr;

/// What `--device` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Request {
    /// The best one that works.
    #[default]
    Auto,
    Only(Device),
}

/// A device that was requested or that [`choose`] picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Cpu,
    Cuda(usize),
    Wgpu(Gpu),
}

/// Which of the GPUs that wgpu finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gpu {
    /// The one that wgpu prefers, possibly a software renderer.
    Default,
    Discrete,
    Integrated,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let device = match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => Device::Cpu,
            "cuda" => Device::Cuda(0),
            "wgpu" => Device::Wgpu(Gpu::Default),
            _ => match text.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(index)) => Device::Cuda(index),
                _ => return Err("use auto, cpu, cuda, cuda:N (N counts from 0) or wgpu".into()),
            },
        };
        Ok(Self::Only(device))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Cpu => write!(out, "cpu"),
            Self::Cuda(index) => write!(out, "cuda:{index}"),
            Self::Wgpu(Gpu::Default) => write!(out, "wgpu"),
            Self::Wgpu(Gpu::Discrete) => write!(out, "wgpu (discrete GPU)"),
            Self::Wgpu(Gpu::Integrated) => write!(out, "wgpu (integrated GPU)"),
        }
    }
}

/// Work that runs on any back end. Jobs that train wrap `B` in `Autodiff` themselves.
pub trait Job {
    type Out;

    fn run<B: SegBackward>(self, device: B::Device) -> Result<Self::Out>;
}

/// Runs a job on a device that [`choose`] has tried.
pub fn dispatch<J: Job>(device: Device, job: J) -> Result<J::Out> {
    match device {
        Device::Cpu => job.run::<Flex>(Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => job.run::<burn::backend::Cuda>(burn::backend::cuda::CudaDevice::new(index)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu(gpu) => {
            use burn::backend::wgpu::WgpuDevice;
            job.run::<burn::backend::Wgpu>(match gpu {
                Gpu::Default => WgpuDevice::DefaultDevice,
                Gpu::Discrete => WgpuDevice::DiscreteGpu(0),
                Gpu::Integrated => WgpuDevice::IntegratedGpu(0),
            })
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => bail!(without("cuda")),
        #[cfg(not(feature = "wgpu"))]
        Device::Wgpu(_) => bail!(without("wgpu")),
    }
}

/// Returns a device that meets the request and has passed a trial computation, which includes a training step if it is
/// chosen for `training`; prints on standard error which one it is.
pub fn choose(request: Request, training: bool) -> Result<Device> {
    match request {
        Request::Only(device) => match probe(device, training) {
            Ok(()) => {
                say::err!("device: {device}");
                Ok(device)
            }
            Err(reason) => bail!("{device} can't be used, choose another --device: {reason}"),
        },
        Request::Auto => {
            // Only real GPUs: a software renderer is slower than the CPU back end.
            let fast = [Device::Cuda(0), Device::Wgpu(Gpu::Discrete), Device::Wgpu(Gpu::Integrated)];
            let built = fast.into_iter().filter(|device| match device {
                Device::Cpu => true,
                Device::Cuda(_) => cfg!(feature = "cuda"),
                Device::Wgpu(_) => cfg!(feature = "wgpu"),
            });
            let mut refused = Vec::new();
            for device in built {
                match probe(device, training) {
                    Ok(()) => {
                        say::err!("device: {device}");
                        return Ok(device);
                    }
                    Err(reason) => refused.push(format!("{device}: {reason}")),
                }
            }
            if refused.is_empty() {
                say::err!("device: cpu");
            } else {
                say::err!("device: cpu ({})", refused.join("; "));
            }
            Ok(Device::Cpu)
        }
    }
}

/// Tries a device; the error says in one line why it can't be used.
fn probe(device: Device, training: bool) -> Result<(), String> {
    match device {
        Device::Cpu => return Ok(()),
        Device::Cuda(_) if !cfg!(feature = "cuda") => return Err(without("cuda")),
        Device::Wgpu(_) if !cfg!(feature = "wgpu") => return Err(without("wgpu")),
        #[cfg(feature = "cuda")]
        Device::Cuda(_) if !cuda_driver() => return Err("no NVIDIA driver (libcuda) on this machine".into()),
        Device::Cuda(_) | Device::Wgpu(_) => {}
    }
    catch_panic(|| dispatch(device, Trial { training }))?.map_err(|error| one_line(&format!("{error:#}")))
}

fn without(feature: &str) -> String {
    format!("this program was built without {feature}, build it with --features {feature}")
}

/// Runs code that may panic deep inside a driver's bindings, and turns a panic into its message.
fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    use std::panic;
    use std::sync::{Arc, Mutex, PoisonError};
    let message = Arc::new(Mutex::new(String::new()));
    let heard = message.clone();
    let hook = panic::take_hook();
    // The first panic is the cause; those that follow, some on the back end's own threads, are its consequences.
    panic::set_hook(Box::new(move |info| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.is_empty() {
            *heard = one_line(&info.payload_as_str().unwrap_or("it panics").replace('\n', " "));
        }
    }));
    let result = panic::catch_unwind(panic::AssertUnwindSafe(work));
    panic::set_hook(hook);
    result.map_err(|_| message.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// The first line of a message that is not empty, shortened: drivers explain themselves at length.
fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    if line.chars().count() > 160 {
        format!("{}…", line.chars().take(160).collect::<String>())
    } else {
        line.into()
    }
}

/// Whether NVIDIA's driver can be loaded, tested in the way the CUDA bindings load it; they panic if it can't.
#[cfg(feature = "cuda")]
fn cuda_driver() -> bool {
    let names: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1", "libcuda.so"] };
    names.iter().any(|name| {
        // SAFETY: loading a library runs its initialisers. This one is the vendor's driver, which the back end is about
        // to load in the same way.
        #[allow(unsafe_code, reason = "there is no other way to ask whether a library can be loaded")]
        let library = unsafe { libloading::Library::new(*name) };
        library.is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!("auto".parse(), Ok(Request::Auto));
        assert_eq!("cpu".parse(), Ok(Request::Only(Device::Cpu)));
        assert_eq!("cuda:3".parse(), Ok(Request::Only(Device::Cuda(3))));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(wrong.parse::<Request>().is_err_and(|message| message.contains("cuda:N")), "{wrong}");
        }
    }

    #[test]
    fn the_cpu_can_always_be_chosen() -> Result<()> {
        assert_eq!(choose(Request::Only(Device::Cpu), true)?, Device::Cpu);
        Ok(())
    }

    #[test]
    fn a_panic_becomes_its_message() {
        let result: Result<(), String> = catch_panic(|| panic!("no driver\nat all"));
        assert_eq!(result, Err("no driver at all".to_string()));
        assert_eq!(catch_panic(|| 3), Ok(3));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_was_not_built_in_is_refused_in_one_line() {
        let message = match choose(Request::Only(Device::Cuda(1)), false) {
            Ok(device) => device.to_string(),
            Err(error) => format!("{error:#}"),
        };
        assert!(message.contains("--features cuda") && !message.contains('\n'), "{message}");
    }
}
