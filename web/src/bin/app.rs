//! Entry point of the page.

fn main() {
    web::app::start();
}
