//! Entry point of the workers.

fn main() {
    web::worker::start();
}
