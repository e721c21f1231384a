import { useEffect, useMemo } from 'preact/hooks'

/** Saves a text as a file, and opens it in no tab, by whichever click. It never leaves the browser otherwise. */
export function SaveLink({ name, text }: { readonly name: string; readonly text: string }) {
  const url = useMemo(
    () => URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' })),
    [text],
  )
  useEffect(() => () => URL.revokeObjectURL(url), [url])
  return (
    <a class="button button-main save-link" href={url} download={name}>
      Save {name}
    </a>
  )
}
