//! Adding images: dropped, picked, pasted or photographed; single files or folders.

use super::item::Item;
use super::sorted::{Sorted, is_of_weights};
use super::state::AGAIN;
use super::{App, act, ask, dom, files};
use crate::js::View;
use crate::message::Request;
use js_sys::ArrayBuffer;
use std::collections::HashSet;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    Blob, ClipboardEvent, DragEvent, Event, File, FileList, FileSystemDirectoryEntry, FileSystemEntry,
    FileSystemFileEntry,
};

/// A dropped, picked or pasted file and the path of its folder, which is empty if it came without one.
pub struct Dropped {
    pub file: File,
    pub folder: String,
}

/// The files of a browser's file list.
fn listed(list: Option<FileList>) -> Vec<Dropped> {
    let all = list.map(|list| (0..list.length()).filter_map(|index| list.get(index)).collect::<Vec<File>>());
    let dropped = |file: File| {
        // Set if a folder was picked: `slides/masks/a.png`.
        let path = View(&file).text("webkitRelativePath");
        Dropped { folder: folder(&path).to_string(), file }
    };
    all.unwrap_or_default().into_iter().map(dropped).collect()
}

pub fn listen() {
    for (button, field) in [
        ("pick", "file-input"),
        ("add", "file-input"),
        ("pick-folder", "folder-input"),
        ("pick-camera", "camera-input"),
        ("add-folder", "folder-input"),
        ("add-camera", "camera-input"),
    ] {
        dom::on(&dom::element(button), "click", move |_: Event| dom::element(field).click());
    }
    for field in ["file-input", "folder-input", "camera-input"] {
        dom::on(&dom::element(field), "change", move |_: Event| {
            let input = dom::input(field);
            let files = listed(input.files());
            // Cleared, so that picking the same file again triggers a change.
            input.set_value("");
            act(move |app| app.add(files, field == "folder-input"));
        });
    }
    dom::on(&dom::element("truth-input"), "change", |_: Event| {
        let input = dom::input("truth-input");
        let files = listed(input.files());
        input.set_value("");
        act(move |app| app.truth_picked(files));
    });
    dom::on(&dom::element("truth-remove"), "click", |_: Event| act(App::remove_truth));
    dom::on(&dom::element("weights-input"), "change", |_: Event| {
        let input = dom::input("weights-input");
        let files = listed(input.files());
        input.set_value("");
        act(move |app| {
            let (weights, others): (Vec<Dropped>, Vec<Dropped>) =
                files.into_iter().partition(|dropped| is_of_weights(&dropped.file.name()));
            for other in others {
                app.complain(&format!(
                    "{} is not a weights file (.safetensors, .bpk, .json).",
                    other.file.name()
                ));
            }
            app.add(weights, false);
        });
    });
    dom::on(&dom::document(), "paste", |event: ClipboardEvent| {
        let files = listed(event.clipboard_data().and_then(|data| data.files()));
        if !files.is_empty() {
            event.prevent_default();
            act(move |app| app.add(files, false));
        }
    });
    listen_for_drops();
    dom::on(&dom::window(), "beforeunload", |event: Event| {
        if ask(|app| app.items.iter().any(Item::unsaved)) {
            event.prevent_default();
            // Required by older browsers.
            let _ = js_sys::Reflect::set(&event, &"returnValue".into(), &"not saved".into());
        }
    });
}

fn listen_for_drops() {
    let over = |on: bool| drop(dom::body().class_list().toggle_with_force("drag-over", on));
    dom::on(&dom::document(), "dragover", move |event: DragEvent| {
        event.prevent_default();
        over(true);
    });
    dom::on(&dom::document(), "dragleave", move |event: DragEvent| {
        if event.related_target().is_none() {
            over(false);
        }
    });
    dom::on(&dom::document(), "drop", move |event: DragEvent| {
        event.prevent_default();
        over(false);
        let Some(data) = event.data_transfer() else { return };
        if meant_as_truth(&event) {
            let files = listed(data.files());
            return act(move |app| app.truth_picked(files));
        }
        let items = data.items();
        // Entries must be taken before the event ends; they are the only access to folders.
        let entries: Vec<FileSystemEntry> = (0..items.length())
            .filter_map(|index| items.get(index)?.webkit_get_as_entry().ok().flatten())
            .collect();
        if entries.iter().any(FileSystemEntry::is_directory) {
            spawn_local(async move {
                let (mut files, mut unread) = (Vec::new(), Vec::new());
                for entry in entries {
                    collect(entry, &mut files, &mut unread).await;
                }
                act(move |app| {
                    unread.iter().for_each(|path| app.complain(&format!("{path} could not be read.")));
                    app.add(files, true);
                });
            });
        } else {
            let files = listed(data.files());
            let is_link = files.is_empty() && data.types().includes(&"text/uri-list".into(), 0);
            act(move |app| {
                if is_link {
                    app.complain("That was a link, not a file. Save the image first, then drop the file.");
                }
                app.add(files, false);
            });
        }
    });
}

/// Whether something was dropped onto the field for the truth mask.
fn meant_as_truth(event: &DragEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let label = target.and_then(|target| target.closest("label.file").ok().flatten());
    label.is_some_and(|label| label.contains(Some(&dom::element("truth-input"))))
}

/// Collects all files under an entry, in order of name, and the paths that could not be read.
async fn collect(entry: FileSystemEntry, files: &mut Vec<Dropped>, unread: &mut Vec<String>) {
    let mut todo = vec![entry];
    while let Some(entry) = todo.pop() {
        // Flags instead of a class check, as Chrome does not expose the classes.
        if entry.is_file() {
            let file: &FileSystemFileEntry = entry.unchecked_ref();
            let folder = folder(&entry.full_path()).to_string();
            let file = promised(|done, failed| file.file_with_callback_and_callback(done, failed)).await;
            match file.and_then(|file| file.dyn_into::<File>().ok()) {
                Some(file) => files.push(Dropped { file, folder }),
                None => unread.push(entry.full_path()),
            }
        } else if entry.is_directory() {
            let folder: &FileSystemDirectoryEntry = entry.unchecked_ref();
            let reader = folder.create_reader();
            let mut inside: Vec<FileSystemEntry> = Vec::new();
            loop {
                // A reader returns the entries of a folder in batches.
                let batch = promised(|done, failed| {
                    let _ = reader.read_entries_with_callback_and_callback(done, failed);
                });
                let batch = batch.await.map(|batch| js_sys::Array::from(&batch));
                if batch.is_none() {
                    unread.push(entry.full_path());
                }
                let batch = batch.unwrap_or_default();
                if batch.length() == 0 {
                    break;
                }
                inside.extend(batch.iter().map(FileSystemEntry::unchecked_from_js));
            }
            inside.sort_by_key(|entry| std::cmp::Reverse(entry.name()));
            todo.extend(inside);
        }
    }
}

/// Awaits one of the file system's callback pairs; `None` if it fails.
async fn promised(start: impl Fn(&js_sys::Function, &js_sys::Function)) -> Option<JsValue> {
    let promise = js_sys::Promise::new(&mut |resolve, reject| start(&resolve, &reject));
    wasm_bindgen_futures::JsFuture::from(promise).await.ok()
}

/// What tells a file from others, as far as a page can know: name, size, date.
pub fn identity(file: &File) -> (String, u64, u64) {
    (file.name(), file.size().to_bits(), file.last_modified().to_bits())
}

/// The folder part of a path.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Number of leading folders that two paths share: `a/images` is closer to `a/masks` than `b/images` is.
fn shared(one: &str, other: &str) -> usize {
    one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other).count()
}

/// A file's name without folder and extension. `\` also separates folders, as in `trainer predict`.
pub fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

impl App {
    /// Adds files: weights go to the model, truth masks to their images, the rest to the queue. From a folder, only
    /// what looks like an image is taken, not a stray `desktop.ini`.
    pub fn add(&mut self, files: Vec<Dropped>, from_folder: bool) {
        let sorted = Sorted::of(files, from_folder);
        let taken = !sorted.is_empty();
        if !sorted.weights.is_empty() {
            self.read_weights(sorted.weights);
        }
        let again = self.enqueue_all(sorted.images);
        let (nobodys, anybodys) = self.assign_truths(sorted.truths);
        self.complain_of(&sorted.made, "skipped; results are not images");
        self.complain_of(&again, AGAIN);
        self.complain_of(
            &nobodys,
            "skipped; named like a mask, but there is no image of that name. Add the image first; if it is an image itself, rename it",
        );
        self.complain_of(&anybodys, "skipped; several images have that name. Select one and give the mask under Check against a truth mask");
        if from_folder && !taken {
            self.complain("No picture in the folder. Supported formats: PNG, JPEG, WebP, BMP, GIF and TIFF. Drop a weights file by itself, not in a folder.");
        }
        self.pump();
    }

    /// The identities of the files in the list.
    pub fn files_here(&self) -> HashSet<(String, u64, u64)> {
        self.items.iter().filter_map(|item| item.file.dyn_ref::<File>()).map(identity).collect()
    }

    /// Adds images to the queue. Returns the names of those that are in the list twice now.
    fn enqueue_all(&mut self, images: Vec<Dropped>) -> Vec<String> {
        let mut known = self.files_here();
        let mut again = Vec::new();
        for Dropped { file, folder } in images {
            let name = file.name();
            if !known.insert(identity(&file)) {
                again.push(name.clone());
            }
            self.enqueue(name, folder, file.into());
        }
        again
    }

    /// Gives truth masks, each with the stem of its image, to the images. Returns the names of those without an image,
    /// and of those that could belong to several.
    fn assign_truths(&mut self, truths: Vec<(String, Dropped)>) -> (Vec<String>, Vec<String>) {
        let (mut nobodys, mut anybodys) = (Vec::new(), Vec::new());
        for (of, Dropped { file, folder }) in truths {
            let name = file.name();
            let images = self.items.iter().filter(|item| stem(&item.name).to_lowercase() == of);
            let nearest = images.clone().map(|item| shared(&item.folder, &folder)).max();
            let near: Vec<&Item> =
                images.filter(|item| Some(shared(&item.folder, &folder)) == nearest).collect();
            match near[..] {
                [] => nobodys.push(name),
                // If the image was added twice, the mask goes to the latest.
                [.., last] if near.iter().all(|item| item.folder == last.folder) => {
                    self.set_truth(last.id, name, file.into());
                }
                _ => anybodys.push(name),
            }
        }
        (nobodys, anybodys)
    }

    /// Reports a problem with one or several files.
    pub fn complain_of(&mut self, names: &[String], what: &str) {
        if let Some((first, others)) = names.split_first() {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            self.complain(&format!("{first}{more}: {what}."));
        }
    }

    /// Uses a file as truth mask of the active image.
    fn truth_picked(&mut self, files: Vec<Dropped>) {
        if let (Some(Dropped { file, .. }), Some(id)) = (files.into_iter().next(), self.active) {
            let name = file.name();
            self.set_truth(id, name, file.into());
        }
    }

    /// Adds an image to the queue and returns its id.
    pub fn enqueue(&mut self, name: String, folder: String, file: Blob) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let stem = self.new_stem(&name);
        self.items.push(Item::new(id, name, stem, folder, file));
        self.refresh();
        let idle = self.active_item().is_none_or(|item| matches!(item.phase, super::item::Phase::Failed(_)));
        if idle {
            self.activate(id);
        }
        id
    }

    /// Sets the truth mask of an image.
    pub fn set_truth(&mut self, id: u32, name: String, file: Blob) {
        let Some(item) = self.item_mut(id) else { return };
        item.truth_version += 1;
        let version = item.truth_version;
        (item.truth, item.truth_name) = (Some(file.clone()), name.clone());
        self.truth_given(id, &name);
        // The results are now out of date. If the desk does not have the image open, it is measured when the desk has
        // time or opens it.
        if self.desk.has() == Some(id) {
            self.desk.expect(id);
            spawn_local(async move {
                let bytes = files::read(&file).await;
                act(move |app| app.truth_read(id, name, version, bytes));
            });
        }
        self.go_on();
    }

    /// Called when the truth mask of the image that was open at the desk, and may still be, has been read.
    fn truth_read(&mut self, id: u32, name: String, truth_version: u32, bytes: Result<ArrayBuffer, String>) {
        self.answered(id);
        let here = self.desk.has() == Some(id);
        let (last, found) =
            self.item(id).map_or((0, false), |item| (item.truth_version, item.probability.is_some()));
        match bytes {
            Ok(file) if here && last == truth_version => {
                if found {
                    self.desk.expect(id);
                }
                self.ask_desk(Request::Truth { id, name, file, truth_version });
            }
            Ok(_) => {}
            Err(problem) => {
                self.lose_truth(id, &name, truth_version, &problem);
                if here {
                    // The desk still has an earlier mask, so it must reopen the image.
                    self.open_active();
                }
            }
        }
        self.go_on();
    }

    /// Reads weights provided by the user, with their model card if it is among the files.
    fn read_weights(&mut self, files: Vec<File>) {
        let mut bytes = None;
        let mut card = None;
        for file in files {
            let slot = if file.name().to_lowercase().ends_with(".json") { &mut card } else { &mut bytes };
            if let Some(first) = slot.replace(file) {
                let second = slot.as_ref().map(File::name).unwrap_or_default();
                self.complain(&format!(
                    "{} and {second}: give the weights of one network only.",
                    first.name()
                ));
                return;
            }
        }
        let Some(bytes) = bytes else {
            let card = card.map(|card| card.name()).unwrap_or_default();
            self.complain(&format!("{card}: skipped; no image. If it tells of weights, give their .safetensors or .bpk file with it."));
            return;
        };
        let name = bytes.name();
        spawn_local(async move {
            let read = files::read(&bytes).await;
            let card = match &card {
                Some(card) => {
                    files::read(card).await.map_or_else(|_| String::new(), |card| files::text(&card))
                }
                None => String::new(),
            };
            act(move |app| match read {
                Ok(bytes) => app.own_weights(bytes, card, name),
                Err(problem) => app.complain(&format!("{name}: {problem}")),
            });
        });
    }
}
