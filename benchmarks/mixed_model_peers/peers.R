# One R peer, one data set, one process: Rscript peers.R DATA SPEC OUT, all of them files, the last two JSON.
# Measured is what happens between a data frame in memory and estimates with standard errors in hand. Needs Debian's
# r-cran-lme4, r-cran-glmmtmb and r-cran-jsonlite.
arguments <- commandArgs(trailingOnly = TRUE)
spec <- jsonlite::fromJSON(arguments[2])
package <- if (spec$work == "glmmTMB") "glmmTMB" else "lme4"
suppressPackageStartupMessages(library(package, character.only = TRUE))

cpu <- function() sum(proc.time()[c("user.self", "sys.self")])
memory <- function(field) {
  line <- grep(paste0("^", field, ":"), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}
forget_peak <- function() cat("5", file = "/proc/self/clear_refs")
formula <- as.formula(spec$formula)
of_lme4 <- function(model) {
  components <- as.data.frame(lme4::VarCorr(model))
  said <- c(unlist(model@optinfo$conv$lme4$messages), unlist(model@optinfo$warnings))
  list(loglik = as.numeric(logLik(model)), names = names(lme4::fixef(model)), coefficients = unname(lme4::fixef(model)),
       standard_errors = unname(sqrt(diag(as.matrix(vcov(model))))),
       sds = as.list(setNames(components$sdcor, sub("Residual", "residual", components$grp))),
       converged = model@optinfo$conv$opt == 0, said = as.list(said))
}
control_of <- function() {
  if (is.null(spec$optimizer)) glmerControl() else glmerControl(optimizer = spec$optimizer)
}
works <- list(
  glmmTMB = function(frame) {
    model <- glmmTMB(formula, frame, family = if (spec$family == "gaussian") gaussian() else binomial(),
                     control = glmmTMBControl(parallel = spec$threads))
    table <- summary(model)$coefficients$cond
    deviations <- sapply(VarCorr(model)$cond, function(v) attr(v, "stddev"))
    list(loglik = as.numeric(logLik(model)), names = rownames(table), coefficients = unname(table[, 1]),
         standard_errors = unname(table[, 2]), sds = as.list(setNames(deviations, names(VarCorr(model)$cond))),
         converged = model$fit$convergence == 0, said = as.list(model$fit$message))
  },
  glmer = function(frame) {
    of_lme4(glmer(formula, frame, family = binomial, nAGQ = spec$points, control = control_of()))
  },
  lmer = function(frame) of_lme4(lmer(formula, frame))
)

timed <- function(frame) {
  invisible(gc())
  wall <- proc.time()[["elapsed"]]; used <- cpu()
  found <- works[[spec$work]](frame)
  list(found = found, cpu = cpu() - used, wall = proc.time()[["elapsed"]] - wall)
}

imported <- cpu()
header <- names(read.csv(arguments[1], nrows = 1))
kinds <- ifelse(header == spec$outcome, "numeric", "factor")
frame <- read.csv(arguments[1], colClasses = kinds)
for (name in spec$sum_coded) contrasts(frame[[name]]) <- contr.sum(nlevels(frame[[name]]))
before <- list(imports = imported, reading = cpu() - imported)
invisible(gc())
forget_peak()
held <- memory("VmRSS")
first <- timed(frame)
peak <- memory("VmHWM")
again <- c()
while (length(again) < 5 && first$cpu + sum(again) + first$cpu < spec$again_s) again <- c(again, timed(frame)$cpu)
versions <- list(R = paste(R.version$major, R.version$minor, sep = "."), blas = basename(extSoftVersion()[["BLAS"]]))
for (name in c(package, "Matrix", if (package == "glmmTMB") "TMB")) versions[[name]] <- as.character(packageVersion(name))
jsonlite::write_json(
  c(first$found, list(cpu_s = first$cpu, wall_s = first$wall, again_cpu_s = as.list(again), before_s = before,
                      held_mb = held, peak_mb = peak, versions = versions)),
  arguments[3], auto_unbox = TRUE, digits = NA, null = "null", na = "null"
)
