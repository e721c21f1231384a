import { Button } from '../parts/button.js'
import { Dialog } from '../parts/dialog.js'
import { SaveLink } from '../parts/save-link.js'

export interface SecretFile {
  readonly name: string
  readonly text: string
}

export interface SecretFileOfferProps {
  readonly title: string
  readonly file: SecretFile
  /** What to do with it, and what holds until then. */
  readonly consequence: readonly string[]
  readonly onClose: () => void
}

/** Offers a file with a key, once: nothing of it is left when it is closed. */
export function SecretFileOffer({ title, file, consequence, onClose }: SecretFileOfferProps) {
  return (
    // Escape is too easily pressed for something that does not come back.
    <Dialog title={title} onCancel={() => {}}>
      <div class="dialog-text secret">
        {consequence.map(text => (
          <p key={text}>{text}</p>
        ))}
        <p>
          <SaveLink name={file.name} text={file.text} />
        </p>
      </div>
      <div class="dialog-buttons">
        <Button onPress={onClose}>I have it: forget it here</Button>
      </div>
    </Dialog>
  )
}
