; Cases: the three procedures as Script-Fu sees them: arguments by name, defaults for the
; rest, a list of the new layer and the seed. session.py defines sdedit-report.
; SPDX-License-Identifier: GPL-3.0-or-later

(define report (open-output-file sdedit-report))

(define (say . texts)
  (for-each (lambda (text) (display text report)) texts)
  (newline report))

; Runs a case: a thunk that returns #t when its claim holds.
(define (case-of name thunk)
  (let ((result (catch 'error (thunk))))
    (if (eq? result #t)
        (say "ok " name)
        (say "failed " name ": it returned " result)))
  (for-each gimp-image-delete (vector->list (car (gimp-get-images)))))

(define (new-image)
  (let* ((image (car (gimp-image-new 96 80 RGB)))
         (layer (car (gimp-layer-new image "source" 96 80 RGBA-IMAGE 100
                                     LAYER-MODE-NORMAL))))
    (gimp-image-insert-layer image layer 0 0)
    (gimp-context-set-foreground "orange")
    (gimp-drawable-edit-fill layer FILL-FOREGROUND)
    (gimp-image-select-ellipse image CHANNEL-OP-REPLACE 20 20 40 30)
    image))

(define (source-of image)
  (car (gimp-image-get-layer-by-name image "source")))

(define (count-layers image)
  (vector-length (car (gimp-image-get-layers image))))

(define (name-of layer)
  (car (gimp-item-get-name layer)))

(case-of "inpaint_takes_arguments_by_name"
  (lambda ()
    (let* ((image (new-image))
           (result (plug-in-sdedit-inpaint
                     #:run-mode RUN-NONINTERACTIVE #:image image
                     #:drawables (vector (source-of image))
                     #:steps 2 #:seed 42 #:strength 0.6 #:sampler "ddim"
                     #:fill "original" #:grow 2 #:feather 3 #:match-colors FALSE)))
      (and (= (count-layers image) 2)
           (= (cadr result) 42)
           (string=? (name-of (car result)) "Inpaint (seed 42, 2 steps)")))))

; The values that a layer was made with, as text.
(define (values-of layer)
  (caddr (car (gimp-item-get-parasite layer "sdedit-parameters"))))

(define (contains? text part)
  (let ((n (string-length part)))
    (let loop ((i 0))
      (cond ((> (+ i n) (string-length text)) #f)
            ((string=? (substring text i (+ i n)) part) #t)
            (else (loop (+ i 1)))))))

(case-of "every_sampler_runs"
  (lambda ()
    (let ((image (new-image))
          (samplers '("ddim" "ddpm" "dpmpp-2m" "euler" "euler-ancestral" "lcm")))
      (for-each
        (lambda (sampler)
          (let ((result (plug-in-sdedit-inpaint
                          #:run-mode RUN-NONINTERACTIVE #:image image
                          #:drawables (vector (source-of image))
                          #:steps 2 #:sampler sampler)))
            (if (not (contains? (values-of (car result))
                                (string-append "sampler=" sampler)))
                (error sampler))))
        samplers)
      (= (count-layers image) (+ 1 (length samplers))))))

(case-of "denoise_returns_layer_and_seed_0"
  (lambda ()
    (let* ((image (new-image))
           (result (plug-in-sdedit-denoise
                     #:run-mode RUN-NONINTERACTIVE #:image image
                     #:drawables (vector (source-of image))
                     #:noise-level 12.5 #:keep-grain 0.2)))
      (and (= (cadr result) 0)
           (string=? (name-of (car result)) "Denoised (noise level 12.5)")))))

(case-of "restyle_takes_a_style_name"
  (lambda ()
    (let* ((image (new-image))
           (result (plug-in-sdedit-restyle
                     #:run-mode RUN-NONINTERACTIVE #:image image
                     #:drawables (vector (source-of image))
                     #:steps 2 #:seed 7 #:strength 0.5 #:style "photo"
                     #:guidance 2)))
      (and (= (cadr result) 7)
           (string=? (name-of (car result)) "Restyle photo (seed 7, 2 steps)")))))

(case-of "restyle_takes_all_its_arguments"
  (lambda ()
    (let* ((image (new-image))
           (result (plug-in-sdedit-restyle
                     #:run-mode RUN-NONINTERACTIVE #:image image
                     #:drawables (vector (source-of image))
                     #:steps 2 #:seed 7 #:style "photo" #:second-style "etching"
                     #:mix 0.3 #:detail 32 #:keep-colors 0.5 #:keep-structure 0.5 #:marks 0.5
                     #:passes 2 #:invert TRUE)))
      (string=? (name-of (car result)) "Restyle photo (seed 7, 2 steps)"))))

(case-of "new_layer_lies_above_its_source"
  (lambda ()
    (let* ((image (new-image))
           (result (plug-in-sdedit-inpaint
                     #:run-mode RUN-NONINTERACTIVE #:image image
                     #:drawables (vector (source-of image)) #:steps 2)))
      (and (= (car (gimp-image-get-item-position image (car result))) 0)
           (= (car (gimp-image-get-item-position image (source-of image))) 1)))))

; A call that must fail adds no layer; catch returns 'error.
(define (fails? image thunk)
  (and (eq? (catch 'error (thunk)) 'error)
       (= (count-layers image) 1)))

(case-of "steps_out_of_range_are_refused"
  (lambda ()
    (let ((image (new-image)))
      (fails? image
        (lambda ()
          (plug-in-sdedit-inpaint
            #:run-mode RUN-NONINTERACTIVE #:image image
            #:drawables (vector (source-of image)) #:steps 100000))))))

(case-of "missing_selection_is_refused"
  (lambda ()
    (let ((image (new-image)))
      (gimp-selection-none image)
      (fails? image
        (lambda ()
          (plug-in-sdedit-inpaint
            #:run-mode RUN-NONINTERACTIVE #:image image
            #:drawables (vector (source-of image))))))))

(case-of "missing_model_is_refused"
  (lambda ()
    (let ((image (new-image)))
      (fails? image
        (lambda ()
          (plug-in-sdedit-restyle
            #:run-mode RUN-NONINTERACTIVE #:image image
            #:drawables (vector (source-of image)) #:model "/no/such/folder"))))))

(say "done")
(close-output-port report)
