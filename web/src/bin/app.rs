//! The page's program.

fn main() {
    web::app::start();
}
