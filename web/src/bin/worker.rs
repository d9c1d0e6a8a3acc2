//! The model's program, in a worker.

fn main() {
    web::worker::start();
}
