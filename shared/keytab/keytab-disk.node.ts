import { lstat, mkdir, open, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { syncFolder } from '../folder.node.js'
import { CHANGING_KEYTAB_FILE } from './private-file.js'
import { readPrivateVersion } from './private-file.node.js'

/** The calls of the system by which a keytab is locked, read and replaced. A test can let each of them fail. */
export const systemDisk = {
  lstat: (path: string) => lstat(path),
  mkdir: (path: string, mode: number) => mkdir(path, { mode }),
  open: (path: string, flags: number, mode: number) => open(path, flags, mode),
  /** Links are not followed, and the file must be readable to its owner only. */
  read: (path: string) => readPrivateVersion(CHANGING_KEYTAB_FILE, path),
  readdir: (path: string) => readdir(path),
  rename,
  rmdir: (path: string) => rmdir(path),
  syncFolder,
  unlink: (path: string) => unlink(path),
} as const

export type KeytabDisk = typeof systemDisk
