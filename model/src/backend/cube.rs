//! Every CubeCL back end (CUDA, wgpu, WebGPU).
