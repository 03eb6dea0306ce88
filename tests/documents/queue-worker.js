// A queue of jobs that survives a power cut: every job is a file until it is done.
import { readdir, rename, mkdir } from "node:fs/promises";

// Jobs that failed are tried again after these many seconds.
const RETRY_DELAYS = [5, 60, 900];

export class JobFile {
  // One job on disk; its name is the time at which it may run.
  constructor(path) {
    this.path = path;
  }

  async postpone(attempt) {
    // After the last delay the job goes to the graveyard folder, where a human looks at it.
    if (attempt >= RETRY_DELAYS.length) {
      await rename(this.path, `graveyard/${this.path}`);
      return null;
    }
    return RETRY_DELAYS[attempt];
  }
}

// The oldest job that may run, or null while there is nothing to do.
export async function nextJob(folder, now) {
  const ready = (await readdir(folder)).filter((name) => Number.parseFloat(name) <= now).sort();
  return ready.length ? new JobFile(`${folder}/${ready[0]}`) : null;
}

// Only one worker may use a folder: the lock is a directory, because mkdir is atomic on every file system.
export async function lockFolder(folder) {
  await mkdir(`${folder}/.lock`);
}
