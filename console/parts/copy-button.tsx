import { useSignal } from '@preact/signals'
import { announce } from './announce.js'
import { Button } from './button.js'

/** Copies a text to the clipboard, and says whether it did: a page without TLS may not, except on this machine. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const told = useSignal(label)
  const copy = async (): Promise<void> => {
    told.value = await copied(text)
    announce(told.value)
  }
  return <Button onPress={() => void copy()}>{told.value}</Button>
}

async function copied(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text)
    return 'Copied'
  } catch {
    return 'Not copied: select it and copy it'
  }
}
