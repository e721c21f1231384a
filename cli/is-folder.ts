import { stat } from 'node:fs/promises'

/** Whether there is a folder of this name, or a link that leads to one. */
export async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
}
